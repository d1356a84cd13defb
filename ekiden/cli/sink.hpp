#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ekiden/net/endpoint.hpp"

namespace ekiden::cli {

/// `ekiden sink`, as on the command line.
struct SinkOptions {
  std::vector<std::string> listen{"127.0.0.1:2526"};  ///< port 0: one that is free
  std::string maildir;                                ///< empty: count only
  std::vector<std::string> reject;                    ///< rules (sink_rule.hpp); default 550 5.1.1
  std::vector<std::string> defer;                     ///< default 451 4.7.1
  std::vector<std::string> drop;                      ///< default stage: eod
  std::vector<std::string> latency;
  std::string tls = "off";               ///< off | starttls | implicit
  std::string certificate, private_key;  ///< PEM files; empty: one that signs itself
  std::string auth;                      ///< "user:password": then MAIL needs AUTH
  std::string count_file;                ///< totals as JSON, once a second and at the end
  std::string hostname = "sink.localhost";
  std::uint64_t message_size_max = 0;  ///< octets; 0: any
  std::uint32_t recipients_max = 100'000;
  unsigned workers = 0;  ///< 0: one for each processor, at most four
};

struct SinkTotals {
  std::uint64_t connections = 0;
  std::uint64_t messages = 0;    ///< accepted with 250, or stored before a drop
  std::uint64_t recipients = 0;  ///< of those
  std::uint64_t octets = 0;      ///< of those
  std::uint64_t rejected = 0;    ///< replies 5xx by rule
  std::uint64_t deferred = 0;    ///< replies 4xx by rule
  std::uint64_t dropped = 0;     ///< connections closed by rule
};

/// An SMTP server that takes everything and forwards nothing: for tests and trials.
///
/// Each accepted transaction becomes one file in maildir/new, its octets exactly as received,
/// dots unstuffed, and before it maildir/envelope/NAME.json. Nothing is synced: a power cut may
/// lose files. It writes files on the threads that read mail, which suits a tool, not a relay.
class Sink {
 public:
  /// Listens and serves on threads of its own. Null, and `why`, when an option makes no sense
  /// (`is_usage`) or something cannot be opened.
  static std::unique_ptr<Sink> start(const SinkOptions& options, std::string& why, bool& is_usage);
  ~Sink();

  const std::vector<net::Endpoint>& endpoints() const;
  SinkTotals totals() const;
  /// Closes everything; sessions end where they are.
  void stop();

 private:
  struct State;
  explicit Sink(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Runs until SIGTERM or SIGINT, then prints the totals. Returns the exit code: 0, 2, 3.
int run_sink(const SinkOptions& options);

}  // namespace ekiden::cli
