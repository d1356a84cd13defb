#include "ekiden/account/limits.hpp"

#include <algorithm>
#include <chrono>

#include "ekiden/account/tenant.hpp"

namespace ekiden::account {
namespace {

LimitVerdict look_at(const Limits& limits, const LimitState& state, base::Time now,
                     base::Steady steady) {
  LimitVerdict verdict;
  if (limits.rate.count != 0) {
    verdict.wait = state.gate.wait(limits.rate, steady);
    if (verdict.wait > base::Duration(0)) {
      verdict.kind = LimitKind::Rate;
      verdict.limit = limits.rate.count;
      verdict.per = limits.rate.per;
      return verdict;
    }
  }
  const auto is_used_up = [](const QuotaCounter& counter, std::uint64_t period,
                             std::uint64_t most) {
    const QuotaCounter::Value value = counter.value();
    return most != 0 && value.period >= period && value.count >= most;
  };
  const std::uint64_t day = day_of(now), month = month_of(now);
  if (is_used_up(state.month, month, limits.per_month)) {
    verdict = {LimitKind::Month, false, limits.per_month, {}, begin_of_month(month + 1) - now};
  } else if (is_used_up(state.day, day, limits.per_day)) {
    verdict = {LimitKind::Day, false, limits.per_day, {}, begin_of_day(day + 1) - now};
  }
  return verdict;
}

void give_back_to(const Limits& limits, LimitState& state, std::uint64_t n, base::Time now,
                  base::Steady taken) {
  if (limits.rate.count != 0) state.gate.give_back(limits.rate, taken);
  if (limits.per_day != 0) state.day.give_back(day_of(now), n);
  if (limits.per_month != 0) state.month.give_back(month_of(now), n);
}

LimitVerdict take_from(const Limits& limits, LimitState& state, std::uint64_t n, base::Time now,
                       base::Steady steady) {
  const std::uint64_t day = day_of(now), month = month_of(now);
  if (limits.rate.count != 0 && !state.gate.take(limits.rate, steady)) {
    return {LimitKind::Rate, false, limits.rate.count, limits.rate.per,
            std::max(state.gate.wait(limits.rate, steady), base::Duration(1))};
  }
  const bool has_day = limits.per_day == 0 || state.day.take(day, n, limits.per_day);
  const bool has_month =
      has_day && (limits.per_month == 0 || state.month.take(month, n, limits.per_month));
  if (has_day && has_month) return {};
  if (limits.rate.count != 0) state.gate.give_back(limits.rate, steady);
  if (!has_day) return {LimitKind::Day, false, limits.per_day, {}, begin_of_day(day + 1) - now};
  if (limits.per_day != 0) state.day.give_back(day, n);
  return {LimitKind::Month, false, limits.per_month, {}, begin_of_month(month + 1) - now};
}

}  // namespace

bool RateGate::take(const MessageRate& rate, base::Steady now) {
  const std::lock_guard lock(mutex_);
  return window_.take(rate.count, rate.per, now);
}

void RateGate::give_back(const MessageRate& rate, base::Steady taken) {
  const std::lock_guard lock(mutex_);
  window_.give_back(rate.per, taken);
}

base::Duration RateGate::wait(const MessageRate& rate, base::Steady now) const {
  const std::lock_guard lock(mutex_);
  return window_.wait(rate.count, rate.per, now);
}

bool QuotaCounter::take(std::uint64_t period, std::uint64_t n, std::uint64_t most) {
  std::uint64_t packed = packed_.load(std::memory_order_relaxed);
  while (true) {
    Value value = unpack(packed);
    // A clock that was set back goes on in the period that had begun.
    if (period > value.period) value = {period, 0};
    if (n > most || value.count > most - n) return false;
    value.count += n;
    if (packed_.compare_exchange_weak(packed, pack(value), std::memory_order_relaxed)) return true;
  }
}

void QuotaCounter::give_back(std::uint64_t period, std::uint64_t n) {
  std::uint64_t packed = packed_.load(std::memory_order_relaxed);
  while (true) {
    Value value = unpack(packed);
    if (period < value.period) return;
    value.count -= std::min(value.count, n);
    if (packed_.compare_exchange_weak(packed, pack(value), std::memory_order_relaxed)) return;
  }
}

std::uint64_t day_of(base::Time time) {
  const auto days = std::chrono::floor<std::chrono::days>(time).time_since_epoch().count();
  return static_cast<std::uint64_t>(std::max<std::int64_t>(days, 0));
}

std::uint64_t month_of(base::Time time) {
  const std::chrono::year_month_day day(std::chrono::floor<std::chrono::days>(time));
  const int months = (static_cast<int>(day.year()) - 1970) * 12 +
                     static_cast<int>(static_cast<unsigned>(day.month())) - 1;
  return static_cast<std::uint64_t>(std::max(months, 0));
}

base::Time begin_of_day(std::uint64_t day) {
  return base::Time(std::chrono::days(static_cast<std::int64_t>(day)));
}

base::Time begin_of_month(std::uint64_t month) {
  const std::chrono::year_month_day day{std::chrono::year(1970 + static_cast<int>(month / 12)),
                                        std::chrono::month(static_cast<unsigned>(month % 12) + 1),
                                        std::chrono::day(1)};
  return base::Time(std::chrono::sys_days(day).time_since_epoch());
}

std::string LimitVerdict::text() const {
  std::string out = is_of_credential ? "This user may send " : "Your account may send ";
  out += std::to_string(limit);
  switch (kind) {
    case LimitKind::None:
      return {};
    case LimitKind::Rate:
      out += (limit == 1 ? " message in " : " messages in ") + base::format_duration(per);
      break;
    case LimitKind::Day:
      out += " messages a day";
      break;
    case LimitKind::Month:
      out += " messages a month";
      break;
  }
  // Whole seconds: who is told of a microsecond comes back too early.
  const auto whole = std::chrono::ceil<std::chrono::seconds>(wait);
  return out + "; try again in " + base::format_duration(whole);
}

bool LimitedSender::is_limited() const {
  return (tenant_ != nullptr && tenant_->state != nullptr) ||
         (credential_ != nullptr && credential_->state != nullptr);
}

LimitVerdict LimitedSender::look(base::Time now, base::Steady steady) const {
  LimitVerdict verdict;
  if (tenant_ != nullptr && tenant_->state != nullptr)
    verdict = look_at(tenant_->settings.limits, *tenant_->state, now, steady);
  if (!verdict.is_fine() || credential_ == nullptr || credential_->state == nullptr) return verdict;
  verdict = look_at(credential_->limits, *credential_->state, now, steady);
  verdict.is_of_credential = true;
  return verdict;
}

LimitVerdict LimitedSender::take(std::uint64_t recipients, base::Time now, base::Steady steady) {
  LimitVerdict verdict;
  taken_ = steady;
  const bool has_tenant = tenant_ != nullptr && tenant_->state != nullptr;
  if (has_tenant)
    verdict = take_from(tenant_->settings.limits, *tenant_->state, recipients, now, steady);
  if (!verdict.is_fine() || credential_ == nullptr || credential_->state == nullptr) return verdict;
  verdict = take_from(credential_->limits, *credential_->state, recipients, now, steady);
  verdict.is_of_credential = true;
  if (!verdict.is_fine() && has_tenant)
    give_back_to(tenant_->settings.limits, *tenant_->state, recipients, now, taken_);
  return verdict;
}

void LimitedSender::give_back(std::uint64_t recipients, base::Time now) {
  if (tenant_ != nullptr && tenant_->state != nullptr)
    give_back_to(tenant_->settings.limits, *tenant_->state, recipients, now, taken_);
  if (credential_ != nullptr && credential_->state != nullptr)
    give_back_to(credential_->limits, *credential_->state, recipients, now, taken_);
}

}  // namespace ekiden::account
