#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "ekiden/base/clock.hpp"
#include "ekiden/delivery/settlement.hpp"

namespace ekiden::delivery {

/// What an operator wants of queued recipients.
struct Order {
  enum class Kind : std::uint8_t {
    Hold,
    Release,
    Bounce,  ///< final, with a DSN
    Delete,  ///< final: cancelled, no DSN
  };
  Kind kind = Kind::Hold;
  std::string reason;
};

struct OrderTarget {
  std::uint32_t recipient = 0;
  std::string reply;  ///< the last one as text: a new progress record would forget it
};

/// How an operator's wish went, by recipients.
struct Tally {
  std::uint64_t done = 0;
  std::uint64_t later = 0;  ///< in a transaction, whose outcome decides
  std::uint64_t gone = 0;   ///< no longer there, or there was nothing to do
};

/// Carries out what operators want of the recipients of one worker.
///
/// A recipient in a transaction is not touched: the peer may have taken it already. A delivery or
/// a refusal for good stands; otherwise the order is carried out when the transaction is over. It
/// is remembered in memory only: after a crash the recipient is queued as before.
///
/// Sharing: its worker only.
class Orders {
 public:
  Orders(queue::Scheduler& scheduler, Settlement& settlement, base::Clock& clock)
      : scheduler_(scheduler), settlement_(settlement), clock_(clock) {}

  /// `context.until_durable` ends when what was done at once is durable.
  Tally give(const Settlement::Context& context, const std::vector<OrderTarget>& targets,
             const Order& order);

  /// The transaction that these were in is over, and they are queued again or settled.
  void carry_out(const Settlement::Context& context, const std::vector<std::uint32_t>& recipients);

  /// The message has left the queue.
  void forget(base::MessageId id);

  bool is_empty() const { return waiting_.empty(); }
  /// Whether one of these waits for its transaction's end to be acted on.
  bool concern(base::MessageId id, const std::vector<std::uint32_t>& recipients) const {
    return std::any_of(recipients.begin(), recipients.end(), [&](std::uint32_t recipient) {
      return waiting_.count({id, recipient}) > 0;
    });
  }

 private:
  using Key = std::pair<base::MessageId, std::uint32_t>;

  bool hold(const Settlement::Context& context, const OrderTarget& target, std::uint32_t slot,
            const Order& order);
  bool release(const Settlement::Context& context, const OrderTarget& target, std::uint32_t slot,
               const Order& order);
  static Verdict verdict_of(const Order& order, std::uint32_t recipient);

  queue::Scheduler& scheduler_;
  Settlement& settlement_;
  base::Clock& clock_;
  /// At most one for each recipient in flight.
  std::map<Key, Order> waiting_;
};

}  // namespace ekiden::delivery
