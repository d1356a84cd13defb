#pragma once

#include <cstdint>

#include "ekiden/base/time.hpp"

namespace ekiden::shaping {

/// The rate that one provider takes from one source, learnt from its replies.
///
/// A throttling reply cuts the rate by a seventh. Successes bring it back along a cubic curve, as
/// CUBIC does (RFC 9438 §4.2): fast while far below the rate that held last, nearly flat close to
/// it, faster again beyond. It is counted in successes and not in seconds, so nothing grows
/// without evidence: not while idle, not while demand is lower. Replies to what was sent before the
/// last cut say nothing new. Throttled again before anything succeeds, it waits, longer each time,
/// and then asks with one message at a time.
///
/// A suspension (Yahoo's TSS04 and its like) costs hours, so behind one the curve is flatter by
/// far: for days the rate stays just below what led to it.
///
/// Times are wall time, for state outlives the process; one that goes back is taken as it comes
/// and only makes a wait as long as it was said to be.
class AdaptiveRate {
 public:
  struct Options {
    double ceiling = 100;  ///< per second
    double floor = 0.01;
  };
  /// What is stored. Anything read back is made to fit.
  struct State {
    double rate = 0;      ///< behind the last cut; 0: nothing is known
    double held = 0;      ///< the rate that held last
    double progress = 0;  ///< along the curve from the one to the other; past 1: beyond it
    std::uint32_t strikes = 0;
    bool is_wary = false;
    std::int64_t paused_until_us = 0;  ///< since 1970
    std::int64_t cut_at_us = 0;
  };

  explicit AdaptiveRate(Options options) : AdaptiveRate(options, State{}) {}
  AdaptiveRate(Options options, const State& state);

  State state() const { return state_; }
  void set_options(Options options);

  /// Per second, between floor and ceiling.
  double rate() const;
  /// Between two transactions at that rate.
  base::Duration interval() const;
  /// Nothing is sent before.
  base::Time paused_until() const { return base::from_unix_us(state_.paused_until_us); }
  /// Behind a pause: one transaction at a time, until one succeeds.
  bool is_probing() const { return state_.strikes > 1 || is_suspended_; }

  void on_success(base::Time now, base::Time sent_at);
  void on_throttled(base::Time now, base::Time sent_at);
  /// The provider wants nothing for `length`.
  void on_suspended(base::Time now, base::Time sent_at, base::Duration length);

 private:
  double clamped(double rate) const;
  bool is_stale(base::Time sent_at) const { return base::to_unix_us(sent_at) < state_.cut_at_us; }
  void cut(base::Time now, double to, double held);
  void pause(base::Time now, base::Duration length);

  Options options_;
  State state_;
  bool is_suspended_ = false;
};

}  // namespace ekiden::shaping
