// What holds here:
// - `failures` is what was counted at `touched`; it is decayed before anybody reads it.
// - A turn, once taken, stays taken: dropping the connection while waiting wins nothing.
// - Only a success writes to `known_`, so guessing cannot make an owner a stranger.
#include "ekiden/account/throttle.hpp"

#include <sodium.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <string>

#include "ekiden/base/assert.hpp"

namespace ekiden::account {
namespace {

// Doubling ends long before; a count that grew without end would also take for ever to decay.
constexpr float kFailuresMax = 1000;

std::string octets_of(const net::Address& address) {
  if (address.is_v4()) {
    const auto octets = address.to_v4().to_bytes();
    return {reinterpret_cast<const char*>(octets.data()), octets.size()};
  }
  const auto v6 = address.to_v6();
  const auto octets = v6.to_bytes();
  if (v6.is_v4_mapped()) return {reinterpret_cast<const char*>(octets.data()) + 12, 4};
  return {reinterpret_cast<const char*>(octets.data()), 8};
}

}  // namespace

Throttle::Table::Table(std::size_t entries_max, base::Duration half_life)
    : half_life_(half_life), buckets_(std::max(entries_max / kWays, std::size_t{1})) {}

void Throttle::Table::decay(Entry& entry, base::Steady now) const {
  if (now <= entry.touched) return;
  const double halvings =
      static_cast<double>((now - entry.touched).count()) / static_cast<double>(half_life_.count());
  entry.failures = static_cast<float>(entry.failures * std::exp2(-halvings));
  entry.touched = now;
}

template <class Use>
void Throttle::Table::update(std::uint64_t key, base::Steady now, Use use) {
  const std::size_t number = key % buckets_.size();
  const std::lock_guard lock(stripes_[number % kStripes]);
  std::unique_ptr<Bucket>& bucket = buckets_[number];
  if (bucket == nullptr) bucket = std::make_unique<Bucket>();
  Entry* chosen = nullptr;
  for (Entry& entry : *bucket) {
    if (entry.key == key || entry.key == 0) {
      // Places fill from the front and are never freed: the key stands nowhere behind a free one.
      chosen = &entry;
      break;
    }
    decay(entry, now);
    if (chosen == nullptr || entry.failures < chosen->failures) chosen = &entry;
  }
  if (chosen->key != key) *chosen = Entry{key, now, {}, 0};
  decay(*chosen, now);
  use(*chosen);
}

template <class Use>
void Throttle::Table::update_existing(std::uint64_t key, base::Steady now, Use use) {
  const std::size_t number = key % buckets_.size();
  const std::lock_guard lock(stripes_[number % kStripes]);
  if (buckets_[number] == nullptr) return;
  for (Entry& entry : *buckets_[number]) {
    if (entry.key != key) continue;
    decay(entry, now);
    use(entry);
    return;
  }
}

Throttle::Throttle(const Options& options, base::Random& random)
    : options_(options),
      pairs_(options.entries_max, options.half_life),
      addresses_(options.entries_max, options.half_life),
      accounts_(options.entries_max, options.half_life),
      known_(options.entries_max, options.known_for) {
  static_assert(crypto_shorthash_KEYBYTES == sizeof hash_key_);
  random.fill(std::as_writable_bytes(std::span(hash_key_)));
}

Throttle::Keys Throttle::keys_of(std::string_view name, const net::Address& address) const {
  // SipHash: without its key nobody can aim at a place of the table.
  const auto hash = [this](const std::string& octets) {
    std::uint64_t key = 0;
    crypto_shorthash(reinterpret_cast<unsigned char*>(&key),
                     reinterpret_cast<const unsigned char*>(octets.data()), octets.size(),
                     hash_key_.data());
    return key == 0 ? 1 : key;
  };
  const std::string from = octets_of(address);
  std::string pair = from;
  pair += '\0';
  pair += name;
  return {hash(pair), hash(from), hash(std::string(name))};
}

base::Duration Throttle::delay_of(float failures, unsigned free, base::Duration most) const {
  // The slack forgives the decay between one failure and the next attempt.
  const float beyond = failures + 0.5F - static_cast<float>(free);
  if (beyond < 0) return base::Duration(0);
  const double doublings = std::min(std::floor(beyond), 30.0F);
  const double us = static_cast<double>(options_.first_delay.count()) * std::exp2(doublings);
  return us >= static_cast<double>(most.count()) ? most
                                                 : base::Duration(static_cast<std::int64_t>(us));
}

base::Duration Throttle::take_turn(Entry& entry, unsigned free, base::Steady now) const {
  const base::Duration own = delay_of(entry.failures, free, options_.delay_max);
  if (own == base::Duration(0)) return own;
  const base::Steady turn = std::max(entry.turn, now) + own;
  const base::Duration wait = turn - now;
  if (wait <= options_.delay_max) entry.turn = turn;
  return wait;
}

Throttle::Attempt Throttle::begin(std::string_view name, const net::Address& address,
                                  base::Steady now) {
  const Keys keys = keys_of(name, address);
  Attempt attempt;
  bool was_known = false;
  // A success counts 1 and halves in `known_for`.
  known_.update_existing(keys.pair, now, [&](Entry& entry) { was_known = entry.failures >= 0.5F; });
  attempt.is_known = was_known;
  pairs_.update_existing(keys.pair, now, [&](Entry& entry) {
    attempt.is_known =
        was_known && entry.failures < static_cast<float>(options_.known_failures_max);
    attempt.wait = take_turn(entry, options_.free_failures, now);
  });
  if (!attempt.is_known) {
    addresses_.update_existing(keys.address, now, [&](Entry& entry) {
      attempt.wait = std::max(attempt.wait, take_turn(entry, options_.address_free_failures, now));
    });
    // No turns here: a crowd of guessers must not make a queue that the owner stands in.
    accounts_.update_existing(keys.account, now, [&](Entry& entry) {
      const base::Duration delay =
          delay_of(entry.failures, options_.account_free_failures, options_.account_delay_max);
      attempt.wait = std::max(attempt.wait, delay);
    });
  }
  attempt.is_over_budget = attempt.wait > options_.delay_max;
  attempt.wait = std::min(attempt.wait, options_.delay_max);
  return attempt;
}

void Throttle::failed(std::string_view name, const net::Address& address, base::Steady now) {
  const Keys keys = keys_of(name, address);
  const auto count = [](Entry& entry) {
    entry.failures = std::min(entry.failures + 1, kFailuresMax);
  };
  pairs_.update(keys.pair, now, count);
  addresses_.update(keys.address, now, count);
  accounts_.update(keys.account, now, count);
}

void Throttle::succeeded(std::string_view name, const net::Address& address, base::Steady now) {
  const Keys keys = keys_of(name, address);
  pairs_.update_existing(keys.pair, now, [](Entry& entry) {
    entry.failures = 0;
    entry.turn = {};
  });
  known_.update(keys.pair, now, [](Entry& entry) { entry.failures = 1; });
}

}  // namespace ekiden::account
