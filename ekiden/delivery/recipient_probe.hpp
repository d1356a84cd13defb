#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "ekiden/base/task_group.hpp"
#include "ekiden/delivery/connection.hpp"
#include "ekiden/delivery/routing.hpp"

namespace ekiden::delivery {

enum class ProbeAnswer : std::uint8_t {
  Taken,       ///< the next hop would take mail for the address
  Unknown,     ///< it says that there is no such mailbox
  CannotTell,  ///< it did not say: down, busy, refusing us for another reason, or we ask too much
};

/// How long an answer holds. CannotTell is asked again each time: the client comes back in its own
/// good time, and by then the next hop may be up.
inline constexpr base::Duration kTakenHolds = std::chrono::hours(1);
/// Short, so that a new mailbox gets its mail soon.
inline constexpr base::Duration kUnknownHolds = std::chrono::minutes(5);
/// Answers remembered at most; the oldest are forgotten.
inline constexpr std::size_t kProbeAnswersMax = 20'000;
/// Connections that ask at the same time; past them the answer is CannotTell, at once.
inline constexpr std::size_t kProbesMax = 200;
/// The same for one next hop, so that one that hangs leaves room for others.
inline constexpr std::size_t kProbesPerNextHopMax = 20;

/// What next hops have said. Shared, so that a question is not asked again by every worker.
///
/// Sharing: any thread; the lock is held for one look-up.
class ProbeMemory {
 public:
  std::optional<ProbeAnswer> recall(const std::string& key, base::Steady now) const;
  /// CannotTell is not remembered.
  void remember(const std::string& key, ProbeAnswer answer, base::Steady now);
  /// Answers held, current or not.
  std::size_t size() const;

 private:
  struct Remembered {
    ProbeAnswer answer;
    base::Steady until;
  };
  using Answers = std::unordered_map<std::string, Remembered>;

  mutable std::mutex mutex_;
  /// Two generations: when the young one is full it becomes the old one, which is forgotten.
  Answers young_, old_;
};

/// Asks a next hop whether it would take mail for an address (MAIL FROM:<>, RCPT TO, never DATA)
/// and remembers what it said. Equal questions of a worker share one connection.
///
/// It connects as delivery would: same addresses, TLS policy, login and fallback (connection.hpp).
///
/// Sharing: one per worker.
class RecipientProbe {
 public:
  /// Takes what a connection needs from `like`, but runs them in a group of its own.
  RecipientProbe(const ConnectionContext& like, Routing& routing, ProbeMemory& memory);

  /// Answers by `deadline`, with CannotTell if need be; the question goes on and what comes of it
  /// is there for the client's next try. An empty `next_hop` means as the domain is routed.
  base::Task<ProbeAnswer> ask(std::string recipient, std::string next_hop, base::Steady deadline);

  void set_options(ConnectionOptions options) { context_.options = std::move(options); }

  /// Ends every connection; whoever waits gets CannotTell, and so does everybody after.
  void stop(base::Work done);

  /// The threads have ended: drops who waits.
  void abandon();

 private:
  struct Waiter {
    base::Completion<ProbeAnswer> done;
    base::TimerId timer = base::TimerId::None;
  };
  struct Question {
    std::string recipient, next_hop;
    bool is_answered = false;
    ProbeAnswer answer = ProbeAnswer::CannotTell;
    std::vector<std::shared_ptr<Waiter>> waiters;
  };

  base::Task<void> inquire(std::shared_ptr<Question> question, std::string key);
  base::Task<std::shared_ptr<const Plan>> find_plan(const Question& question);
  void settle(Question& question, const std::string& key);

  base::TaskGroup tasks_;
  ConnectionContext context_;
  Routing& routing_;
  ProbeMemory& memory_;
  std::unordered_map<std::string, std::shared_ptr<Question>> open_;
  std::unordered_map<std::string, std::size_t> open_per_next_hop_;
};

}  // namespace ekiden::delivery
