#pragma once

#include <string>
#include <vector>

#include "apps/relay.hpp"
#include "apps/tls_layers.hpp"
#include "ekiden/control/queue_commands.hpp"

namespace ekiden::apps {

/// Puts a changed configuration file in force, whole, or refuses it whole: SIGHUP and
/// `ekiden reload`. One at a time; whoever asks meanwhile gets a reload of his own after it.
///
/// Sharing: `worker` only.
class Reloader {
 public:
  struct Parts {
    std::string file;
    base::Worker& worker;
    base::Executor& pool;
    Relay& relay;
    TlsContexts& tls;
  };
  explicit Reloader(Parts parts) : parts_(std::move(parts)) {}

  /// Answers on `worker`.
  void reload(base::Completion<control::Reloaded> done);

 private:
  struct Attempt;
  void begin();
  void apply(std::shared_ptr<Attempt> attempt);
  void finish(control::Reloaded reloaded);

  Parts parts_;
  bool is_running_ = false;
  std::vector<base::Completion<control::Reloaded>> asking_, waiting_;
};

}  // namespace ekiden::apps
