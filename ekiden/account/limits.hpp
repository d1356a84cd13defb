#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

#include "ekiden/base/sliding_window.hpp"
#include "ekiden/base/time.hpp"

namespace ekiden::account {

/// So many messages in so long; zero: no limit.
struct MessageRate {
  std::uint32_t count = 0;
  base::Duration per{};

  friend bool operator==(const MessageRate&, const MessageRate&) = default;
};

/// What a tenant or a credential may send. Zero: no limit. A quota counts a message once for each
/// of its recipients; days and months are those of UTC.
struct Limits {
  MessageRate rate;
  std::uint64_t per_day = 0, per_month = 0;

  bool is_none() const { return rate.count == 0 && per_day == 0 && per_month == 0; }
  friend bool operator==(const Limits&, const Limits&) = default;
};

/// Never more than a rate's count in any window of its length, whoever asks at the same time, on
/// any worker. Held for some additions at a time.
class RateGate {
 public:
  bool take(const MessageRate& rate, base::Steady now);
  /// What was taken at `taken`.
  void give_back(const MessageRate& rate, base::Steady taken);
  /// How long until one may; zero when one may now.
  base::Duration wait(const MessageRate& rate, base::Steady now) const;

 private:
  mutable std::mutex mutex_;
  mutable base::SlidingWindow<64> window_;
};

/// What was sent in one period, a day or a month, without a lock.
class QuotaCounter {
 public:
  struct Value {
    std::uint64_t period = 0, count = 0;
    friend bool operator==(const Value&, const Value&) = default;
  };

  bool take(std::uint64_t period, std::uint64_t n, std::uint64_t most);
  void give_back(std::uint64_t period, std::uint64_t n);
  Value value() const { return unpack(packed_.load(std::memory_order_relaxed)); }
  void set(Value value) { packed_.store(pack(value), std::memory_order_relaxed); }

 private:
  // 16 bits of period, 48 of count.
  static std::uint64_t pack(Value value) { return value.period << 48 | value.count; }
  static Value unpack(std::uint64_t packed) { return {packed >> 48, packed & 0xffff'ffff'ffffU}; }
  std::atomic<std::uint64_t> packed_{0};
};

/// Days and months since 1970.
std::uint64_t day_of(base::Time time);
std::uint64_t month_of(base::Time time);
base::Time begin_of_day(std::uint64_t day);
base::Time begin_of_month(std::uint64_t month);

/// What a tenant or credential has used. It stays the same object while settings change.
struct LimitState {
  RateGate gate;
  QuotaCounter day, month;
};

/// Which limit says no.
enum class LimitKind : std::uint8_t { None, Rate, Day, Month };

struct LimitVerdict {
  LimitKind kind = LimitKind::None;
  bool is_of_credential = false;
  std::uint64_t limit = 0;
  base::Duration per{};   ///< of a rate
  base::Duration wait{};  ///< until it is worth another try

  bool is_fine() const { return kind == LimitKind::None; }
  /// "Your account may send 1000 messages a day; try again in 3h20m".
  std::string text() const;
};

struct TenantRules;
struct CredentialRules;

/// One message of one sender against the limits of its tenant and its credential; either may be
/// null. The same for SMTP and HTTP.
///
///     verdict = sender.look(now);   // nothing is counted
///     verdict = sender.take(3);     // all or nothing
///     sender.give_back(3);          // the message was not taken after all
class LimitedSender {
 public:
  LimitedSender(const TenantRules* tenant, const CredentialRules* credential)
      : tenant_(tenant), credential_(credential) {}

  bool is_limited() const;
  LimitVerdict look(base::Time now, base::Steady steady) const;
  LimitVerdict take(std::uint64_t recipients, base::Time now, base::Steady steady);
  void give_back(std::uint64_t recipients, base::Time now);

 private:
  const TenantRules* tenant_;
  const CredentialRules* credential_;
  base::Steady taken_{};
};

}  // namespace ekiden::account
