#include "ekiden/shaping/adaptive_rate.hpp"

#include <algorithm>
#include <cmath>

namespace ekiden::shaping {

namespace {

using namespace std::chrono_literals;

/// What is left of the rate behind a throttling reply; when the rate had not come near what held.
constexpr double kCut = 0.85;
constexpr double kCutEarly = 0.7;
constexpr double kCutSuspended = 0.6;
/// Where it is held behind a suspension: near enough, and below.
constexpr double kHeldSuspended = 0.97;
constexpr double kHeldSuspendedEarly = 0.93;
/// The curve's least slope beyond what held, as a part of it.
constexpr double kStepLeast = 0.1;
/// The start, as a part of the ceiling: nothing is known yet.
constexpr double kStart = 0.125;

/// How long the way back takes, at the rate there: at least so many successes. So one throttling
/// reply comes on many that are none.
constexpr double kSuccessesLeast = 100;
constexpr double kWay_s = 300;
/// At a few an hour that many would take days, and an hour without a complaint says as much.
constexpr double kSlowWay_s = 3600;
constexpr double kSlowSuccessesLeast = 10;
/// Behind a suspension: to what held, and beyond it.
constexpr double kWayWary_s = 2 * 3600.0;
constexpr double kBeyondWary_s = 96 * 3600.0;
/// Of this much of the way nobody remembers the suspension.
constexpr double kForgets = 2;
constexpr double kProgressMax = 100;

constexpr base::Duration kPauseLeast = 10s;
constexpr base::Duration kPauseMost = 30min;
constexpr base::Duration kSuspensionMost = 4h;
constexpr std::uint32_t kStrikesMax = 20;

double finite(double value, double otherwise) {
  return std::isfinite(value) && value >= 0 ? value : otherwise;
}

base::Duration doubled(base::Duration length, std::uint32_t times, base::Duration most) {
  while (times-- > 0 && length < most) length *= 2;
  return std::min(length, most);
}

}  // namespace

AdaptiveRate::AdaptiveRate(Options options, const State& state) : options_(options), state_(state) {
  set_options(options);
  state_.progress = std::min(finite(state_.progress, 0), kProgressMax);
  state_.strikes = std::min(state_.strikes, kStrikesMax);
  if (finite(state_.rate, 0) <= 0 || finite(state_.held, 0) <= 0) {
    state_.rate = clamped(options_.ceiling * kStart);
    state_.held = options_.ceiling;
    state_.progress = 0;
  }
  state_.rate = clamped(state_.rate);
  state_.held = std::max(clamped(state_.held), state_.rate);
  is_suspended_ = state_.is_wary && state_.paused_until_us > state_.cut_at_us;
}

void AdaptiveRate::set_options(Options options) {
  options_.ceiling = std::max(finite(options.ceiling, 1), 1e-6);
  options_.floor = std::min(finite(options.floor, 0), options_.ceiling);
  options_.floor = std::max(options_.floor, 1e-6);
}

double AdaptiveRate::clamped(double rate) const {
  return std::clamp(rate, options_.floor, options_.ceiling);
}

double AdaptiveRate::rate() const {
  const double missing = state_.held - state_.rate;
  const double x = state_.progress - 1;
  if (x <= 0) return clamped(state_.held + missing * x * x * x);
  return clamped(state_.held + std::max(missing, kStepLeast * state_.held) * x * x * x);
}

base::Duration AdaptiveRate::interval() const {
  return base::Duration(static_cast<std::int64_t>(std::ceil(1e6 / rate())));
}

void AdaptiveRate::on_success(base::Time, base::Time sent_at) {
  if (is_stale(sent_at)) return;
  state_.strikes = 0;
  is_suspended_ = false;
  double way_s = kWay_s;
  if (state_.is_wary) way_s = state_.progress < 1 ? kWayWary_s : kBeyondWary_s;
  const double least = std::clamp(rate() * kSlowWay_s, kSlowSuccessesLeast, kSuccessesLeast);
  state_.progress += 1 / std::max(least, rate() * way_s);
  state_.progress = std::min(state_.progress, kProgressMax);
  if (state_.progress >= kForgets) state_.is_wary = false;
}

void AdaptiveRate::cut(base::Time now, double to, double held) {
  state_.rate = clamped(to);
  state_.held = std::max(clamped(held), state_.rate);
  state_.progress = 0;
  state_.cut_at_us = base::to_unix_us(now);
}

void AdaptiveRate::pause(base::Time now, base::Duration length) {
  state_.paused_until_us = base::to_unix_us(now + length);
}

void AdaptiveRate::on_throttled(base::Time now, base::Time sent_at) {
  if (is_stale(sent_at)) return;
  state_.strikes = std::min(state_.strikes + 1, kStrikesMax);
  if (state_.strikes == 1) {
    // Far below what held: the limit is another now.
    const double was = rate();
    const bool is_early = state_.progress < 0.5;
    return cut(now, was * (is_early ? kCutEarly : kCut), is_early ? was * 0.93 : was);
  }
  // The rate is not what it minds: it is told to be quiet for a while.
  cut(now, state_.rate * 0.95, state_.held * 0.97);
  pause(now, doubled(kPauseLeast, state_.strikes - 2, kPauseMost));
}

void AdaptiveRate::on_suspended(base::Time now, base::Time sent_at, base::Duration length) {
  if (is_stale(sent_at)) return;
  const bool is_again = is_suspended_;
  state_.strikes = std::min(state_.strikes + 1, kStrikesMax);
  if (!is_again) {
    const double was = rate();
    cut(now, was * kCutSuspended,
        was * (state_.progress >= 1 ? kHeldSuspended : kHeldSuspendedEarly));
  }
  state_.cut_at_us = base::to_unix_us(now);
  state_.is_wary = true;
  is_suspended_ = true;
  length = std::clamp<base::Duration>(length, base::Duration(0), 24h);
  pause(now, std::max(length, doubled(length, state_.strikes - 1, kSuspensionMost)));
}

}  // namespace ekiden::shaping
