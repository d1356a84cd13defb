#include "ekiden/delivery/orders.hpp"

#include "ekiden/delivery/local_reply.hpp"

namespace ekiden::delivery {

Verdict Orders::verdict_of(const Order& order, std::uint32_t recipient) {
  Verdict verdict{.recipient = recipient, .is_local = true, .is_attempt = false};
  if (order.kind == Order::Kind::Delete) {
    verdict.state = spool::State::Cancelled;
    verdict.detail = "deleted by an operator";
    if (!order.reason.empty()) verdict.detail += ": " + order.reason;
    return verdict;
  }
  verdict.state = spool::State::Bounced;
  // RFC 3463 §3.8: X.7.1, the sender's mail is not to be delivered.
  verdict.reply = local_reply(550, {5, 7, 1},
                              order.reason.empty() ? "Returned by the postmaster" : order.reason);
  verdict.detail = "bounced by an operator";
  return verdict;
}

bool Orders::hold(const Settlement::Context& context, const OrderTarget& target, std::uint32_t slot,
                  const Order& order) {
  if (scheduler_.recipient(slot).place == queue::Place::Held) return false;
  scheduler_.hold(slot);
  settlement_.record_hold(context, target.recipient, true,
                          order.reason.empty() ? "held by an operator" : order.reason,
                          target.reply);
  return true;
}

bool Orders::release(const Settlement::Context& context, const OrderTarget& target,
                     std::uint32_t slot, const Order& order) {
  if (scheduler_.recipient(slot).place != queue::Place::Held) return false;
  scheduler_.release(slot, clock_.now());
  settlement_.record_hold(context, target.recipient, false,
                          order.reason.empty() ? "released by an operator" : order.reason,
                          target.reply);
  return true;
}

Tally Orders::give(const Settlement::Context& context, const std::vector<OrderTarget>& targets,
                   const Order& order) {
  Tally tally;
  // Together, so that one report tells of all of them.
  std::vector<Verdict> verdicts;
  for (const OrderTarget& target : targets) {
    const std::uint32_t slot = scheduler_.find(context.id, target.recipient);
    const queue::Place place =
        slot == queue::kNone ? queue::Place::Free : scheduler_.recipient(slot).place;
    if (place == queue::Place::Free || place == queue::Place::Settling) {
      ++tally.gone;
      continue;
    }
    const Key key{context.id, target.recipient};
    if (place == queue::Place::InFlight) {
      if (order.kind == Order::Kind::Release) {
        const auto held = waiting_.find(key);
        const bool was_to_be_held =
            held != waiting_.end() && held->second.kind == Order::Kind::Hold;
        if (was_to_be_held) waiting_.erase(held);
        ++(was_to_be_held ? tally.done : tally.gone);
      } else {
        waiting_[key] = order;
        ++tally.later;
      }
      continue;
    }
    bool is_done = true;
    if (order.kind == Order::Kind::Hold) {
      is_done = hold(context, target, slot, order);
    } else if (order.kind == Order::Kind::Release) {
      is_done = release(context, target, slot, order);
    } else {
      verdicts.push_back(verdict_of(order, target.recipient));
    }
    ++(is_done ? tally.done : tally.gone);
  }
  if (!verdicts.empty()) settlement_.settle(context, std::move(verdicts));
  return tally;
}

void Orders::carry_out(const Settlement::Context& context,
                       const std::vector<std::uint32_t>& recipients) {
  if (waiting_.empty()) return;
  Settlement::Context own = context;
  own.peer = {};  // What follows is our doing, not the peer's.
  for (const std::uint32_t recipient : recipients) {
    const auto found = waiting_.find({context.id, recipient});
    if (found == waiting_.end()) continue;
    const Order order = std::move(found->second);
    waiting_.erase(found);
    OrderTarget target;
    target.recipient = recipient;
    // Picked again meanwhile: `give` remembers it again. Settled: it stays as it ended.
    give(own, {std::move(target)}, order);
  }
}

void Orders::forget(base::MessageId id) {
  auto at = waiting_.lower_bound({id, 0});
  while (at != waiting_.end() && at->first.first == id) at = waiting_.erase(at);
}

}  // namespace ekiden::delivery
