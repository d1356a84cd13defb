#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ekiden/shaping/adaptive_rate.hpp"
#include "ekiden/shaping/concurrency_cap.hpp"
#include "ekiden/shaping/profile.hpp"
#include "ekiden/shaping/reply_rule.hpp"
#include "ekiden/shaping/warm_up.hpp"
#include "ekiden/shaping/window_limit.hpp"

namespace ekiden::shaping {

/// Now, by both clocks: limits count monotonic time, what is stored wall time.
struct Moment {
  base::Time wall;
  base::Steady steady;
};

/// What holds a source back from a provider.
enum class Hold : std::uint8_t {
  None,
  Suspended,       ///< the provider wants nothing for a time, by its replies
  Connections,     ///< as many as it takes at once
  ConnectionRate,  ///< as many new ones as it takes in so long
  Rate,            ///< as many transactions
  Learnt,          ///< the rate that its replies taught
  Probing,         ///< behind a pause: one transaction at a time
  WarmUp,          ///< the day's recipients of a new source, or their pace
  Paused,          ///< an operator paused the warm-up
};
std::string_view name_of(Hold hold);

/// What holds, and until when; Time::max(): until something happens.
struct Held {
  Hold by = Hold::None;
  base::Time until{};

  bool is_free() const { return by == Hold::None; }
};

/// One limit as `queue explain` shows it.
struct LimitView {
  Hold kind = Hold::None;
  std::string value;   ///< "10/s", "5", "28 of 200 today"
  std::string origin;  ///< "gmail.toml", "learnt", "warm-up", "operator"
  Held held;           ///< whether it holds right now
};

/// One source towards one provider: everything that limits it, and what its replies taught.
///
/// A transaction counts when it is handed out; it may begin a little later, so rates are counted
/// in windows that are longer by 1/128 (kLeaseMax at most), which costs as much of the rate.
///
/// Sharing: the worker that owns the provider.
class Channel {
 public:
  static constexpr base::Duration kLeaseMax = std::chrono::milliseconds(250);

  /// What is stored.
  struct State {
    std::optional<AdaptiveRate::State> rate;
    WarmUp::State warm_up;
  };

  Channel(std::shared_ptr<const Profile> profile, bool warms_up, const State& state, Moment now);

  /// A reload's.
  void set_profile(std::shared_ptr<const Profile> profile, bool warms_up, Moment now);
  const Profile& profile() const { return *profile_; }
  State state() const;
  /// Whether there is anything worth storing.
  bool has_state() const;
  /// Grows with what is stored, but for the counting of recipients.
  std::uint64_t changes() const { return changes_; }

  /// What holds a new connection. A rate that holds for less than `patience` does not: its turn
  /// comes before the connection would have waited in vain.
  Held holds_connection(Moment now, base::Duration patience);
  /// What holds a transaction on a connection that is open.
  Held holds_transaction(Moment now);
  /// Recipients of the next transaction.
  std::uint32_t recipients_max() const { return is_warming() ? 1 : UINT32_MAX; }

  void opened(Moment now);
  void closed() { connections_.give_back(); }
  /// Transactions handed out, and their ends, however they end.
  void started(Moment now, std::uint32_t recipients);
  void ended(std::uint32_t transactions = 1);

  // What the replies say. `sent_at`: when the transaction began.
  void on_success(Moment now, base::Time sent_at);
  void on_throttled(Moment now, base::Time sent_at);
  void on_suspended(Moment now, base::Time sent_at, base::Duration length);
  void on_hard_bounce(Moment now);
  void on_complaint(Moment now);

  bool is_warming() const { return warms_up_ && !warm_up_.is_warm(); }
  WarmUp& warm_up() { return warm_up_; }
  void set_warm_up_paused(bool is_paused);
  /// The rate learnt, in transactions a second; nothing when no reply taught one.
  std::optional<double> learnt() const;
  std::uint32_t connections() const { return connections_.used(); }
  /// Whether transactions need to be asked for one by one.
  bool is_paced() const;
  std::vector<LimitView> view(Moment now);

 private:
  AdaptiveRate::Options options() const;
  void learn(Moment now);
  double measured(Moment now) const;

  std::shared_ptr<const Profile> profile_;
  bool warms_up_;
  ConcurrencyCap connections_;
  WindowLimit connection_rate_, rate_;
  std::optional<AdaptiveRate> learnt_;
  base::Time next_by_learnt_{};
  WarmUp warm_up_;
  std::uint32_t in_flight_ = 0;
  std::uint64_t changes_ = 0;
  /// Transactions in the current and the last span, to know the rate that was complained about.
  base::Steady span_began_{};
  std::uint32_t span_count_ = 0;
  double last_span_rate_ = 0;
};

}  // namespace ekiden::shaping
