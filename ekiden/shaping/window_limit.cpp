#include "ekiden/shaping/window_limit.hpp"

#include <algorithm>
#include <limits>

#include "ekiden/base/assert.hpp"

namespace ekiden::shaping {

namespace {

/// A burst of one in so many costs under 1 % of the rate.
constexpr std::uint32_t kBurstShare = 128;

}  // namespace

WindowLimit::WindowLimit(config::Rate rate) {
  use(rate);
  // The first event finds a pause behind it, however early it is.
  due_ = std::numeric_limits<std::int64_t>::min();
}

void WindowLimit::use(config::Rate rate) {
  rate_ = rate;
  if (is_off()) return;
  EKIDEN_ASSERT(rate.per.count() > 0, "a rate has a period");
  burst_ = 1 + rate.count / kBurstShare;
  scale_ = static_cast<std::int64_t>(rate.count) - burst_ + 1;
  interval_ = rate.per.count();
}

std::uint32_t WindowLimit::available(base::Steady time) const {
  if (is_off()) return std::numeric_limits<std::uint32_t>::max();
  const Wide early = scaled(clamped(time)) + (burst_ - 1) * interval_ - due_;
  if (early < 0) return 0;
  return static_cast<std::uint32_t>(std::min<Wide>(burst_, early / interval_ + 1));
}

base::Steady WindowLimit::next_free(base::Steady time) const {
  const base::Steady now = clamped(time);
  if (is_off()) return now;
  const Wide when = due_ - (burst_ - 1) * interval_;
  if (when <= scaled(now)) return now;
  const Wide us = (when + scale_ - 1) / scale_;
  constexpr Wide kLast = std::numeric_limits<std::int64_t>::max();
  return base::Steady(base::Duration(static_cast<std::int64_t>(std::min(us, kLast))));
}

void WindowLimit::take(base::Steady time, std::uint32_t n) {
  if (is_off() || n == 0) return;
  const base::Steady now = clamped(time);
  EKIDEN_ASSERT(n <= available(now), "ask available() first");
  latest_ = now;
  due_ = std::max(due_, scaled(now)) + n * interval_;
  for (Ticket& ticket : tickets_) ticket.due = std::max(ticket.due, scaled(now)) + n * interval_;
}

std::uint64_t WindowLimit::take_returnable(base::Steady now, std::uint32_t n) {
  take(now, n);
  if (is_off()) return 0;
  if (tickets_.size() == kTicketsMax) tickets_.pop_front();
  tickets_.push_back({++ticket_, std::numeric_limits<std::int64_t>::min()});
  return ticket_;
}

void WindowLimit::give_back(std::uint64_t id, std::uint32_t n) {
  const auto ticket =
      std::find_if(tickets_.begin(), tickets_.end(), [&](const Ticket& t) { return t.id == id; });
  if (ticket == tickets_.end()) return;
  // Without them the pace would have been that of the events before, or that of the ones behind.
  due_ = std::max(due_ - n * interval_, ticket->due);
  tickets_.erase(ticket);
}

void WindowLimit::set_rate(config::Rate rate, base::Steady time) {
  if (rate == rate_) return;
  const base::Steady now = clamped(time);
  const bool was_off = is_off();
  const Wide old_scale = scale_, old_interval = interval_;
  const Wide ahead = was_off ? 0 : due_ - scaled(now);
  use(rate);
  latest_ = now;
  tickets_.clear();
  if (is_off()) return;
  // The events that were ahead of their time are so still, rounded up, at the new pace where that
  // is faster: what an hour's limit held does not wait for that hour under a minute's. A slower one
  // leaves the wait as it was. Nobody gains a burst by a change.
  Wide wait = 0;
  if (ahead > 0) {
    const Wide same_time = (ahead * scale_ + old_scale - 1) / old_scale;
    const Wide same_events = (ahead * interval_ + old_interval - 1) / old_interval;
    wait = std::min(same_time, same_events);
  }
  due_ = scaled(now) + std::max(wait, (burst_ - 1) * interval_);
}

}  // namespace ekiden::shaping
