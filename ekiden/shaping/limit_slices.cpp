#include "ekiden/shaping/limit_slices.hpp"

#include <algorithm>

namespace ekiden::shaping {

namespace {

constexpr int kLeaseShare = 128;
constexpr std::uint32_t kLendShare = 4;

}  // namespace

base::Duration LimitLender::lease_of(config::Rate rate) {
  if (rate.is_off()) return kLeaseMax;
  return std::clamp(rate.per / kLeaseShare, base::Duration(1), kLeaseMax);
}

config::Rate LimitLender::widened(config::Rate rate) {
  if (!rate.is_off()) rate.per += lease_of(rate);
  return rate;
}

LimitLender::LimitLender(config::Rate rate) : lease_(lease_of(rate)), limit_(widened(rate)) {}

Slice LimitLender::lend(base::Steady now, std::uint32_t wanted) {
  const std::uint32_t available = limit_.available(now);
  const std::uint32_t share =
      available == 0 ? 0 : std::max<std::uint32_t>(1, available / kLendShare);
  Slice slice;
  slice.count = std::min(wanted, share);
  slice.expires = now + lease_;
  if (slice.count > 0) slice.ticket = limit_.take_returnable(now, slice.count);
  slice.next_free = limit_.next_free(now);
  return slice;
}

void LimitLender::take_back(const Slice& unused) {
  if (unused.count > 0) limit_.give_back(unused.ticket, unused.count);
}

void LimitLender::set_rate(config::Rate rate, base::Steady now) {
  // A slice lent under a longer lease is out at most that long; windows that long stay counted.
  lease_ = std::min(lease_, lease_of(rate));
  limit_.set_rate(widened(rate), now);
}

void LimitBorrower::add(const Slice& slice) {
  if (slice.count == 0) return;
  const auto later = std::find_if(slices_.begin(), slices_.end(),
                                  [&](const Slice& s) { return s.expires > slice.expires; });
  slices_.insert(later, slice);
}

bool LimitBorrower::take(base::Steady now) {
  for (Slice& slice : slices_) {
    if (slice.expires <= now || slice.count == 0) continue;
    --slice.count;
    return true;
  }
  return false;
}

std::uint32_t LimitBorrower::available(base::Steady now) const {
  std::uint32_t sum = 0;
  for (const Slice& slice : slices_) sum += slice.expires > now ? slice.count : 0;
  return sum;
}

Slice LimitBorrower::expired(base::Steady now) {
  while (!slices_.empty() && (slices_.front().count == 0 || slices_.front().expires <= now)) {
    const Slice slice = slices_.front();
    slices_.pop_front();
    if (slice.count > 0) return slice;
  }
  return {};
}

Slice LimitBorrower::give_up() {
  while (!slices_.empty()) {
    const Slice slice = slices_.front();
    slices_.pop_front();
    if (slice.count > 0) return slice;
  }
  return {};
}

}  // namespace ekiden::shaping
