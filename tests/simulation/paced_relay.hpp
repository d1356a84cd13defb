#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tests/simulation/providers.hpp"
#include "tests/simulation/simulated_relay.hpp"

namespace ekiden::simulation {

/// Counts events and forgets them: a run of a million messages would not fit into memory.
class EventCounts {
 public:
  /// To be put between a relay and its sink; `*this` outlives the relay.
  Wrappers::Wrap<events::Sink> wrap();
  std::uint64_t delivered(const std::string& stream) const;
  /// Of attempts that failed: "bounced user_unknown recipient", and how often.
  const std::map<std::string, std::uint64_t>& reasons() const { return reasons_; }

 private:
  class Counting;
  std::map<std::string, std::uint64_t> delivered_;  ///< by stream
  std::map<std::string, std::uint64_t> reasons_;
};

/// A whole relay whose mail goes to simulated providers under the limits that it is given.
class PacedRelay {
 public:
  struct Options {
    std::uint64_t seed = 1;
    unsigned workers = 2;
    std::shared_ptr<const shaping::Providers> providers;
    bool has_tls = false;
    base::Duration latency_max = std::chrono::milliseconds(25);
    std::size_t sources = 1;  ///< with equal shares; at most two
  };
  explicit PacedRelay(Options options);
  ~PacedRelay();
  PacedRelay(const PacedRelay&) = delete;
  PacedRelay& operator=(const PacedRelay&) = delete;

  /// Mail to `domain` goes to a host of this name. Before `start`.
  Provider& add(const std::string& domain, const std::string& host, const char* address,
                Behaviour behaviour);
  /// False: it said why, on standard error.
  bool start();

  /// One message of one recipient after the other, so that `backlog` recipients wait at any time.
  void feed_without_end(const std::string& domain, std::uint64_t backlog);
  /// One message for so many recipients of `domain`, by the listener of bulk mail or by the other.
  enum class Way : std::uint8_t { Bulk, Transactional };
  void submit(const std::string& domain, std::size_t recipients, Way way);
  /// Messages whose 250 has come.
  std::uint64_t accepted() const { return accepted_; }

  /// A source's address leaves the machine, or comes back.
  void take_away(std::size_t source, bool is_gone);

  bool run_for(base::Duration time);
  World& world() { return world_; }
  base::Random& random() { return world_.random(); }
  std::uint64_t queued() { return relay_.relay().spool().status().recipients; }
  const EventCounts& events() const { return events_; }

 private:
  RelayGround ground(const Options& options);
  base::Task<void> feed(std::string domain, std::uint64_t backlog);
  base::Task<void> hand_over_one(std::string domain, std::size_t recipients, net::Endpoint to);

  World world_;
  SimulatedInternet internet_;
  spool::testing::SimulatedDisk disk_;
  MemorySink sink_;
  EventCounts events_;
  Names names_;
  std::optional<Secrecy> secrecy_;
  SimulatedRelay relay_;
  SimulatedWorker outside_;
  std::vector<std::unique_ptr<Provider>> hosts_;
  base::TaskGroup clients_;
  config::Settings settings_;
  std::uint64_t accepted_ = 0;
  std::set<net::Address> gone_;
};

/// Endless mail towards one provider.
struct PaceCase {
  std::uint64_t seed = 1;
  std::string domain, host;
  std::shared_ptr<const shaping::Providers> providers;
  std::function<Behaviour(base::Random&)> behaviour;
  double best = 1;  ///< the best constant rate, a second
  base::Duration length{}, counted_from{};
  bool has_tls = false;
};

struct PaceFigures {
  Provider::Count learning, counted;  ///< before `counted_from`, and from then on
  double of_best = 0;                 ///< what passed, of what the best constant rate would have
  double throttled_share = 0;         ///< of all transactions
  std::map<std::string, std::uint64_t> reasons;
  bool has_run = false;  ///< false: the relay did not start, or span
};
PaceFigures run_pace(const PaceCase& one);

/// Limits that know nothing of replies: the provider's shipped ones with this rate, and no rules.
std::shared_ptr<const shaping::Providers> fixed_limits(const shaping::Profile& shipped,
                                                       double rate);

}  // namespace ekiden::simulation
