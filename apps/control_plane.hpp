#pragma once

#include <functional>
#include <string>
#include <vector>

#include "apps/relay.hpp"
#include "ekiden/control/live_node.hpp"
#include "ekiden/control/server.hpp"
#include "ekiden/tlsreport/reporter.hpp"

namespace ekiden::apps {

/// The operator's end of the running process: the control socket in data_dir, and the commands
/// behind it.
///
/// Sharing: worker 0, but for the constructor and `restore`.
class ControlPlane {
 public:
  struct Parts {
    base::Worker& worker;
    base::Executor& pool;
    Relay& relay;
    base::Metrics& metrics;
    std::string config_file;
    std::function<void(base::Completion<control::Reloaded>)> reload;
    std::function<void()> drain;
    /// Looks whether the control store has changed; then calls back on the worker.
    std::function<void(base::Work)> refresh_store;
    tlsreport::Reporter* tls_reports = nullptr;  ///< null: there are none
  };
  explicit ControlPlane(Parts parts);

  /// What was suspended and begun before the restart. Blocks; after Relay::open, before the workers
  /// run. False, with a sentence, when a file cannot be read: mail that should wait must not leave.
  bool restore(std::string& problem);
  /// False, with a sentence, when the socket cannot be opened.
  bool start(std::string& problem);
  void stop();
  control::NodeControl& node() { return node_; }

 private:
  void describe(control::NodeStatus& status) const;

  Parts parts_;
  base::Time started_;
  std::string data_dir_;
  control::LiveNode node_;
  control::Server server_;
};

}  // namespace ekiden::apps
