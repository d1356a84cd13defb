#include "ekiden/shaping/channel.hpp"

#include <algorithm>
#include <cstdio>

#include "ekiden/base/assert.hpp"
#include "ekiden/config/units.hpp"

namespace ekiden::shaping {
namespace {

using namespace std::chrono_literals;

/// Where no rate is configured, nothing learnt goes beyond this.
constexpr double kCeiling = 1000;
constexpr double kFloor = 6.0 / 3600;
/// Learning begins at no less: who sends little does not know how much would be taken.
constexpr double kLearnsFrom = 1;
/// How long the rate of what was sent is measured.
constexpr base::Duration kSpan = 10s;

double per_second(const config::Rate& rate) {
  return rate.is_off() || rate.per.count() <= 0
             ? 0
             : static_cast<double>(rate.count) * 1e6 / static_cast<double>(rate.per.count());
}

/// A transaction that is handed out begins within the lease.
config::Rate widened(const config::Rate& rate) {
  if (rate.is_off()) return rate;
  return {rate.count, rate.per + std::min<base::Duration>(rate.per / 128, Channel::kLeaseMax)};
}

base::Time wall_of(base::Steady when, const Moment& now) {
  return now.wall + (when - now.steady);
}

std::string rate_text(double rate) {
  char text[48];
  if (rate >= 1) {
    std::snprintf(text, sizeof text, "%.1f/s", rate);
  } else if (rate * 60 >= 1) {
    std::snprintf(text, sizeof text, "%.1f/min", rate * 60);
  } else {
    std::snprintf(text, sizeof text, "%.1f/h", rate * 3600);
  }
  return text;
}

/// Clocks of several workers and a slow reply are no reason to doubt the clock.
constexpr std::int64_t kClockSlackUs = 60'000'000;

/// A clock that was set back: what was learnt ahead of it was learnt now. So no pause lasts longer
/// than it was said to, and replies are no old news until that time comes again.
void follow_clock(std::optional<AdaptiveRate>& learnt, const AdaptiveRate::Options& options,
                  base::Time now) {
  AdaptiveRate::State state = learnt->state();
  const std::int64_t ahead = state.cut_at_us - base::to_unix_us(now);
  if (ahead < kClockSlackUs) return;
  state.cut_at_us -= ahead;
  state.paused_until_us = std::max<std::int64_t>(0, state.paused_until_us - ahead);
  learnt.emplace(options, state);
}

}  // namespace

std::string_view name_of(Hold hold) {
  switch (hold) {
    case Hold::None:
      return "none";
    case Hold::Suspended:
      return "suspended";
    case Hold::Connections:
      return "connections";
    case Hold::ConnectionRate:
      return "connection_rate";
    case Hold::Rate:
      return "rate";
    case Hold::Learnt:
      return "learnt_rate";
    case Hold::Probing:
      return "probing";
    case Hold::WarmUp:
      return "warm_up";
    case Hold::Paused:
      return "warm_up_paused";
  }
  return "";
}

Channel::Channel(std::shared_ptr<const Profile> profile, bool warms_up, const State& state,
                 Moment now)
    : profile_(std::move(profile)),
      warms_up_(warms_up),
      connections_(profile_->limits.connections),
      connection_rate_(widened(profile_->limits.connection_rate)),
      rate_(widened(profile_->limits.rate)),
      warm_up_(profile_->warm_up, state.warm_up),
      span_began_(now.steady) {
  if (state.rate) learnt_.emplace(options(), *state.rate);
}

void Channel::set_profile(std::shared_ptr<const Profile> profile, bool warms_up, Moment now) {
  // The plan lives in the profile that is let go.
  warm_up_ = WarmUp(profile->warm_up, warm_up_.state());
  profile_ = std::move(profile);
  warms_up_ = warms_up;
  connections_.set_limit(profile_->limits.connections);
  connection_rate_.set_rate(widened(profile_->limits.connection_rate), now.steady);
  rate_.set_rate(widened(profile_->limits.rate), now.steady);
  if (learnt_) learnt_->set_options(options());
}

AdaptiveRate::Options Channel::options() const {
  const double ceiling = per_second(profile_->limits.rate);
  const double floor = per_second(profile_->limits.rate_floor);
  return {ceiling > 0 ? ceiling : kCeiling, floor > 0 ? floor : kFloor};
}

Channel::State Channel::state() const {
  State state;
  if (learnt_) state.rate = learnt_->state();
  state.warm_up = warm_up_.state();
  return state;
}

bool Channel::has_state() const {
  return learnt_.has_value() || (warms_up_ && warm_up_.state().day_us != 0) ||
         warm_up_.state().is_paused;
}

bool Channel::is_paced() const {
  return !rate_.is_off() || learnt_.has_value() || is_warming();
}

std::optional<double> Channel::learnt() const {
  return learnt_ ? std::optional<double>(learnt_->rate()) : std::nullopt;
}

Held Channel::holds_connection(Moment now, base::Duration patience) {
  if (connections_.available() == 0) return {Hold::Connections, base::Time::max()};
  if (const base::Steady free = connection_rate_.next_free(now.steady); free > now.steady)
    return {Hold::ConnectionRate, wall_of(free, now)};
  // Behind a pause one transaction tells; a second connection has nothing to do.
  const Held held = holds_transaction(now);
  const bool is_pace = held.by == Hold::Rate || held.by == Hold::Learnt;
  if (is_pace && held.until - now.wall <= patience) return {};
  return held;
}

Held Channel::holds_transaction(Moment now) {
  if (learnt_) {
    follow_clock(learnt_, options(), now.wall);
    if (learnt_->paused_until() > now.wall) return {Hold::Suspended, learnt_->paused_until()};
    if (learnt_->is_probing() && in_flight_ > 0) return {Hold::Probing, base::Time::max()};
    if (next_by_learnt_ > now.wall) {
      // A clock that was set back makes no wait longer than one turn.
      next_by_learnt_ = std::min(next_by_learnt_, now.wall + learnt_->interval());
      return {Hold::Learnt, next_by_learnt_};
    }
  }
  if (const base::Steady free = rate_.next_free(now.steady); free > now.steady)
    return {Hold::Rate, wall_of(free, now)};
  if (is_warming()) {
    const base::Time free = warm_up_.next_free(now.wall);
    if (warm_up_.state().is_paused) return {Hold::Paused, base::Time::max()};
    if (free > now.wall) return {Hold::WarmUp, free};
  }
  return {};
}

void Channel::opened(Moment now) {
  const std::uint32_t taken = connections_.take();
  EKIDEN_ASSERT(taken == 1, "holds_connection was asked");
  if (connection_rate_.available(now.steady) > 0) connection_rate_.take(now.steady);
}

void Channel::started(Moment now, std::uint32_t recipients) {
  ++in_flight_;
  if (rate_.available(now.steady) > 0) rate_.take(now.steady);
  if (learnt_) {
    // One turn that came late is made up for, no more.
    next_by_learnt_ =
        std::max(next_by_learnt_, now.wall - learnt_->interval()) + learnt_->interval();
  }
  if (warms_up_)
    for (std::uint32_t i = 0; i < recipients; ++i) warm_up_.on_sent(now.wall);
  if (now.steady - span_began_ >= kSpan) {
    last_span_rate_ = static_cast<double>(span_count_) * 1e6 /
                      static_cast<double>((now.steady - span_began_).count());
    span_began_ = now.steady;
    span_count_ = 0;
  }
  ++span_count_;
}

void Channel::ended(std::uint32_t transactions) {
  EKIDEN_ASSERT(transactions <= in_flight_, "what ends has begun");
  in_flight_ -= transactions;
}

double Channel::measured(Moment now) const {
  // Less than a second says nothing about a rate.
  const double seconds =
      std::max(1.0, static_cast<double>((now.steady - span_began_).count()) / 1e6);
  return std::max(last_span_rate_, static_cast<double>(span_count_) / seconds);
}

/// The first reply that asks for less: what was sent so far is where learning begins.
void Channel::learn(Moment now) {
  if (learnt_) return;
  const AdaptiveRate::Options bounds = options();
  const double rate =
      std::clamp(std::max(measured(now), kLearnsFrom), bounds.floor, bounds.ceiling);
  AdaptiveRate::State state;
  state.rate = state.held = rate;
  learnt_.emplace(bounds, state);
}

void Channel::on_success(Moment now, base::Time sent_at) {
  if (learnt_) learnt_->on_success(now.wall, sent_at);
}

void Channel::on_throttled(Moment now, base::Time sent_at) {
  learn(now);
  learnt_->on_throttled(now.wall, sent_at);
  if (warms_up_) warm_up_.on_signal(now.wall, WarmUp::Signal::Throttled);
  ++changes_;
}

void Channel::on_suspended(Moment now, base::Time sent_at, base::Duration length) {
  learn(now);
  learnt_->on_suspended(now.wall, sent_at, length);
  if (warms_up_) warm_up_.on_signal(now.wall, WarmUp::Signal::Throttled);
  ++changes_;
}

void Channel::on_hard_bounce(Moment now) {
  if (warms_up_) warm_up_.on_signal(now.wall, WarmUp::Signal::HardBounce);
}

void Channel::on_complaint(Moment now) {
  if (warms_up_) warm_up_.on_signal(now.wall, WarmUp::Signal::Complaint);
}

void Channel::set_warm_up_paused(bool is_paused) {
  warm_up_.set_paused(is_paused);
  ++changes_;
}

std::vector<LimitView> Channel::view(Moment now) {
  std::vector<LimitView> all;
  const Limits& limits = profile_->limits;
  const auto add = [&](Hold kind, std::string value, std::string origin, Held held) {
    all.push_back({kind, std::move(value), std::move(origin), held});
  };
  add(Hold::Connections,
      std::to_string(connections_.used()) + " of " + std::to_string(limits.connections),
      profile_->origin,
      connections_.available() == 0 ? Held{Hold::Connections, base::Time::max()} : Held{});
  if (!limits.connection_rate.is_off()) {
    const base::Steady free = connection_rate_.next_free(now.steady);
    add(Hold::ConnectionRate, config::format_rate(limits.connection_rate), profile_->origin,
        free > now.steady ? Held{Hold::ConnectionRate, wall_of(free, now)} : Held{});
  }
  if (!limits.rate.is_off()) {
    const base::Steady free = rate_.next_free(now.steady);
    add(Hold::Rate, config::format_rate(limits.rate), profile_->origin,
        free > now.steady ? Held{Hold::Rate, wall_of(free, now)} : Held{});
  }
  if (learnt_) {
    const Held held = holds_transaction(now);
    const bool is_ours =
        held.by == Hold::Suspended || held.by == Hold::Probing || held.by == Hold::Learnt;
    add(is_ours ? held.by : Hold::Learnt, rate_text(learnt_->rate()), "learnt",
        is_ours ? held : Held{});
  }
  if (is_warming()) {
    const base::Time free = warm_up_.next_free(now.wall);
    const bool is_paused = warm_up_.state().is_paused;
    Held held;
    if (is_paused) {
      held = {Hold::Paused, base::Time::max()};
    } else if (free > now.wall) {
      held = {Hold::WarmUp, free};
    }
    add(is_paused ? Hold::Paused : Hold::WarmUp,
        std::to_string(warm_up_.state().sent) + " of " + std::to_string(warm_up_.allowance()) +
            " today",
        is_paused ? "operator" : "warm-up", held);
  }
  return all;
}

}  // namespace ekiden::shaping
