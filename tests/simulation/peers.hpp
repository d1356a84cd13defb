#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "ekiden/base/task_group.hpp"
#include "tests/simulation/network.hpp"

namespace ekiden::simulation {

/// Lines in, octets out, over a simulated stream. Written apart from the relay's own SMTP, so
/// that a misreading there does not hide itself here.
class LineStream {
 public:
  explicit LineStream(std::unique_ptr<net::Stream> stream) : stream_(std::move(stream)) {}
  /// A line without its CRLF; nothing at the end of the stream or past the deadline.
  base::Task<std::optional<std::string>> line(base::Steady deadline);
  base::Task<bool> write(std::string octets, base::Steady deadline);
  void close() { stream_->close(); }

 private:
  std::unique_ptr<net::Stream> stream_;
  std::string buffer_;
};

/// One transaction that a receiver answered 250 for, or may have: it stored, and the reply was
/// lost on the way.
struct Receipt {
  base::Time time;
  std::string reverse_path;
  std::vector<std::string> recipients;
  std::string octets;
};

/// How a receiver treats its senders. Probabilities in thousandths.
struct Temper {
  unsigned defers_connection = 0;  ///< greets with 421
  unsigned defers_recipient = 0;   ///< 450 to RCPT
  unsigned defers_message = 0;     ///< 451 after the dot
  unsigned drops_in_data = 0;
  unsigned drops_after_dot = 0;  ///< stores, then closes without a reply
  unsigned forgets = 0;          ///< answers 250 and stores nothing: a broken peer
  base::Duration slowness{};     ///< before each reply
  bool is_down = false;          ///< refuses connections
};

/// A mail server somewhere in the simulated internet. Recipients that begin with "bad" do not
/// exist (550 5.1.1).
class Receiver {
 public:
  /// `receipts` outlives it: what a server has stored survives a crash of the world around it.
  Receiver(SimulatedInternet& internet, base::Worker& worker, net::Endpoint where, std::string name,
           std::vector<Receipt>& receipts);
  Temper temper;

 private:
  base::Task<void> serve(std::unique_ptr<net::Stream> stream);
  bool happens(unsigned thousandths) {
    return internet_.world().random().below(1000) < thousandths;
  }

  SimulatedInternet& internet_;
  base::Worker& worker_;
  std::string name_;
  base::TaskGroup tasks_;
  SimulatedNetwork network_;
  std::unique_ptr<net::Listener> listener_;
  std::vector<Receipt>& receipts_;
};

/// A message as a client tried to hand it over, and what it was told.
struct Submission {
  std::string token;  ///< unique, in the subject
  std::string reverse_path;
  std::vector<std::string> recipients;  ///< answered 250 at RCPT
  bool is_accepted = false;             ///< 250 after the dot reached the client
  bool was_sent_whole = false;          ///< the dot left: without a 250 it may have been taken
  base::Time time;
};

/// Sends one message to the relay and notes what it promised.
base::Task<void> submit(SimulatedInternet& internet, net::Endpoint from, net::Endpoint relay,
                        std::shared_ptr<Submission> submission, std::size_t octets);

}  // namespace ekiden::simulation
