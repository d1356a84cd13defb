#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ekiden/account/store.hpp"
#include "ekiden/base/executor.hpp"
#include "ekiden/base/metrics.hpp"
#include "ekiden/base/worker.hpp"
#include "ekiden/events/reader.hpp"
#include "ekiden/shaping/providers.hpp"

namespace ekiden::feedback {

/// Somebody complained of a message that one source delivered: what a warm-up wants to know.
struct Complaint {
  std::string source;
  std::string provider;  ///< shaping::Profile::name; "default": no provider is known
  std::string host;      ///< the MX host that took it
};
using HearComplaints = std::function<void(const std::vector<Complaint>&)>;

/// The reader of events that keeps the suppression list: one step looks at what is new.
///
/// Sharing: one thread at a time; blocks.
class OutcomeReader {
 public:
  OutcomeReader(account::Store& store, std::string events_directory,
                std::shared_ptr<const shaping::Providers> providers);

  enum class Step { CaughtUp, More };
  /// Reads at most kEventsAtOnce. Errors: of the two stores; then the next step reads the same
  /// again.
  Result<Step> step(base::Time now);
  static constexpr std::size_t kEventsAtOnce = 1000;

  /// Those of the last steps, each once.
  std::vector<Complaint> take_complaints() { return std::exchange(complaints_, {}); }

  /// Addresses put on the list so far.
  std::uint64_t suppressed() const { return suppressed_; }

 private:
  void take(const events::Event& event, account::Outcomes& outcomes) const;
  Result<void> find_complaint(const events::Event& event, std::vector<Complaint>& into);

  account::Store& store_;
  events::Reader reader_;
  std::shared_ptr<const shaping::Providers> providers_;
  events::Cursor cursor_;
  bool has_begun_ = false;
  base::Time saved_{};  ///< when the cursor was written down
  base::Time swept_{};  ///< when expired entries were removed
  std::uint64_t suppressed_ = 0;
  std::vector<Complaint> complaints_;
};

/// Lets a node draw its conclusions within a second or so: a timer on one worker, and steps of an
/// OutcomeReader on the blocking pool, one after the other.
///
/// Sharing: its worker. It may be destroyed at any time there; the store must outlive the pool.
class SuppressionFeed {
 public:
  SuppressionFeed(base::Worker& worker, base::Executor& blocking, account::Store& store,
                  std::string events_directory, std::shared_ptr<const shaping::Providers> providers,
                  base::Metrics& metrics, HearComplaints hear = {},
                  base::Duration interval = std::chrono::seconds(1));
  ~SuppressionFeed();
  SuppressionFeed(const SuppressionFeed&) = delete;
  SuppressionFeed& operator=(const SuppressionFeed&) = delete;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace ekiden::feedback
