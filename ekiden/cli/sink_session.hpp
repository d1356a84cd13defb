#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ekiden/base/task_group.hpp"
#include "ekiden/base/worker.hpp"
#include "ekiden/cli/sink_rule.hpp"
#include "ekiden/cli/sink_store.hpp"
#include "ekiden/net/stream.hpp"
#include "ekiden/smtp/server_dialogue.hpp"
#include "ekiden/tls/server_context.hpp"

namespace ekiden::cli {

enum class SinkTls { Off, StartTls, Implicit };

/// What all sessions share. Set before the first; the counters are for any thread.
struct SinkShared {
  std::vector<SinkRule> rules;
  std::vector<SinkLatency> latencies;
  std::optional<SinkStore> store;
  SinkTls tls = SinkTls::Off;
  std::shared_ptr<tls::ServerContext> context;
  std::string user, password;  ///< both empty: no AUTH
  smtp::ServerOptions smtp;

  std::atomic<std::uint64_t> connections = 0, messages = 0, recipients = 0, octets = 0;
  std::atomic<std::uint64_t> rejected = 0, deferred = 0, dropped = 0;
  std::atomic<std::uint64_t> files = 0;  ///< names the next one
};

/// One worker's part: its sessions. Outlives them.
struct SinkWorker {
  SinkWorker(base::Worker& w, SinkShared& s) : worker(w), shared(s), group(w) {}
  base::Worker& worker;
  SinkShared& shared;
  base::TaskGroup group;
};

/// Serves one connection to its end.
base::Task<void> serve_sink_session(SinkWorker& home, std::unique_ptr<net::Stream> stream);

}  // namespace ekiden::cli
