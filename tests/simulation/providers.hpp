#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ekiden/base/random.hpp"
#include "ekiden/base/task_group.hpp"
#include "tests/simulation/network.hpp"
#include "tests/simulation/secrecy.hpp"

namespace ekiden::simulation {

class LineStream;

/// Where a provider may say something else than yes.
enum class Step : std::uint8_t { Connect, Mail, Rcpt, Message };

/// What it says at a step.
struct Answer {
  enum class End : std::uint8_t { GoesOn, Closes, Resets };
  std::string reply;  ///< a line; empty: it agrees
  End end = End::GoesOn;
  /// It asks for less, in whatever words.
  bool is_throttle = false;
};

/// How a provider treats its senders, asked at each step.
using Behaviour = std::function<Answer(Step step, base::Steady now)>;

/// Takes everything.
Behaviour patient();
/// So many a second from each address, by a bucket of five seconds (at least ten messages); 421
/// above it, and who goes on above it twenty times gets nothing for two minutes.
Behaviour gmail_like(double rate);
/// Unknown users at RCPT (one in 200), the user's own filter in the same words behind the message
/// (one in 100), and above the rate 554 and the end of the session.
Behaviour docomo_like(double rate, base::Random& random);
/// The same users; above the rate the connection is reset instead of an answer.
Behaviour au_like(double rate, base::Random& random);
/// More than so many in an hour are "unexpected volume", and nothing is taken for two hours.
Behaviour yahoo_like(std::uint32_t an_hour);

/// A provider's mail host. Keeps no message, only what came when.
class Provider {
 public:
  Provider(SimulatedInternet& internet, base::Worker& worker, net::Endpoint where,
           Behaviour behaviour, Secrecy* secrecy = nullptr);

  struct Count {
    std::uint64_t taken = 0;      ///< 250 after the message
    std::uint64_t refused = 0;    ///< for the recipient's sake
    std::uint64_t throttled = 0;  ///< whenever it asked for less
    std::uint64_t passed() const { return taken + refused; }
  };
  const Count& count() const { return count_; }
  /// Each MAIL that was not throttled.
  const std::vector<base::Steady>& starts() const { return starts_; }
  /// Of those, how many came from where.
  const std::map<net::Address, std::uint64_t>& clients() const { return clients_; }
  void forget();

 private:
  base::Task<void> serve(std::unique_ptr<net::Stream> stream);
  base::Task<bool> start_tls(LineStream& stream);
  base::Task<bool> say(LineStream& stream, std::string reply);
  /// False: the connection is over.
  base::Task<bool> refuse(LineStream& stream, Answer answer);
  Answer ask(Step step);

  SimulatedInternet& internet_;
  base::TaskGroup tasks_;
  SimulatedNetwork network_;
  std::unique_ptr<net::Listener> listener_;
  Behaviour behaviour_;
  Secrecy* secrecy_;
  Count count_;
  std::vector<base::Steady> starts_;
  std::map<net::Address, std::uint64_t> clients_;
};

}  // namespace ekiden::simulation
