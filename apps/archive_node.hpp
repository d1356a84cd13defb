#pragma once

#include <optional>

#include "ekiden/account/secret.hpp"
#include "ekiden/archive/archivist.hpp"
#include "ekiden/base/runtime.hpp"
#include "ekiden/config/settings.hpp"
#include "ekiden/inbound/services.hpp"

namespace ekiden::apps {

/// The archive of the real process: a thread of its own, which gives way to mail's.
class ArchiveNode {
 public:
  ArchiveNode(const config::Settings& settings, const account::HashKey& node_key,
              base::Metrics& metrics);

  /// What the relay hands accepted messages to, from any worker.
  inbound::KeepCopy keep_copy();

  void start();
  /// The workers have ended. Writes what waits.
  void stop();

 private:
  void remove_old_hourly();

  base::LoopThread thread_;
  base::SystemRandom random_;
  archive::Archivist archivist_;
};

}  // namespace ekiden::apps
