#pragma once

#include <memory>
#include <optional>
#include <string>

#include "apps/relay.hpp"
#include "ekiden/base/runtime.hpp"
#include "ekiden/bulk/desk.hpp"

namespace ekiden::apps {

/// The bulk jobs of the real process: their store in data_dir, and the desk that sends them.
///
/// Sharing: worker 0, but for the constructor, `open`, `attach` and `drop`, when no worker runs.
class BulkNode {
 public:
  BulkNode();
  /// False, with a sentence, when the store cannot be opened.
  bool open(const std::string& data_dir, std::string& problem);
  bulk::Watch& watch() { return watch_; }
  /// The relay is open and does not run yet.
  void attach(Relay& relay, base::Worker& worker, base::Executor& pool, base::Metrics& metrics,
              const std::string& data_dir);
  bulk::Desk& desk() { return *desk_; }
  void start() { desk_->start(); }
  void stop() { desk_->stop(); }
  /// The threads of others have ended.
  void abandon();
  void drop() { desk_.reset(); }

 private:
  bulk::Watch watch_;
  std::unique_ptr<bulk::Store> store_;
  base::LoopThread composing_;
  std::optional<bulk::Desk> desk_;
};

}  // namespace ekiden::apps
