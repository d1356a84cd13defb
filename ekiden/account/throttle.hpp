#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "ekiden/base/random.hpp"
#include "ekiden/base/time.hpp"
#include "ekiden/net/endpoint.hpp"

namespace ekiden::account {

/// Slows whoever guesses passwords, and nobody else.
///
/// Failures are counted per account and address together, per address, and per account; each
/// count halves every `half_life`. Past a few free ones every further attempt waits, twice as
/// long each time. Attempts on one address take turns, so that parallel connections do not
/// guess faster. Nothing is ever locked: an address that logged in to an account lately is not
/// slowed by what others do to the account or from behind the same address, and an account under
/// attack from everywhere costs a newcomer with the right password a few seconds.
///
/// IPv6 addresses count by their /64. Memory is fixed; when it is full the entry with the fewest
/// failures goes.
///
/// Sharing: any thread. A stripe of the table is locked for less than a microsecond, at AUTH only.
class Throttle {
 public:
  struct Options {
    unsigned free_failures = 3;           ///< of one account from one address
    unsigned address_free_failures = 20;  ///< of one address, any accounts
    unsigned account_free_failures = 50;  ///< of one account, any addresses
    base::Duration first_delay = std::chrono::milliseconds(500);
    base::Duration delay_max = std::chrono::seconds(10);
    base::Duration account_delay_max = std::chrono::seconds(4);
    base::Duration half_life = std::chrono::minutes(10);
    base::Duration known_for = std::chrono::hours(24 * 7);
    unsigned known_failures_max = 20;   ///< past it, a known address waits like a stranger
    std::size_t entries_max = 1 << 16;  ///< of each kind of count; at most 2 MiB each
  };

  Throttle(const Options& options, base::Random& random);

  struct Attempt {
    base::Duration wait{0};  ///< before anything about the attempt is answered
    /// The queue of this address is longer than delay_max: after the wait, accept only what needs
    /// no verifying, and answer a temporary failure otherwise.
    bool is_over_budget = false;
    /// This address logged in to this account lately: a cached success need not wait.
    bool is_known = false;
  };
  Attempt begin(std::string_view name, const net::Address& address, base::Steady now);
  void failed(std::string_view name, const net::Address& address, base::Steady now);
  void succeeded(std::string_view name, const net::Address& address, base::Steady now);

 private:
  struct Entry {
    std::uint64_t key = 0;  ///< 0: free
    base::Steady touched{};
    base::Steady turn{};  ///< when the next attempt's wait begins, at the earliest
    float failures = 0;
  };

  /// A hash table of bounded size: eight places for each key, the least interesting one replaced.
  class Table {
   public:
    Table(std::size_t entries_max, base::Duration half_life);
    /// Calls `use(Entry&)` under the stripe's lock, the count decayed to `now`. A missing key
    /// takes the place of the one with the fewest failures.
    template <class Use>
    void update(std::uint64_t key, base::Steady now, Use use);
    /// The same for a key that is there; otherwise nothing happens.
    template <class Use>
    void update_existing(std::uint64_t key, base::Steady now, Use use);

   private:
    static constexpr std::size_t kWays = 8;
    static constexpr std::size_t kStripes = 64;
    void decay(Entry& entry, base::Steady now) const;
    base::Duration half_life_;
    using Bucket = std::array<Entry, kWays>;
    std::vector<std::unique_ptr<Bucket>> buckets_;  ///< made when first used
    std::array<std::mutex, kStripes> stripes_;
  };

  struct Keys {
    std::uint64_t pair, address, account;
  };
  Keys keys_of(std::string_view name, const net::Address& address) const;
  base::Duration delay_of(float failures, unsigned free, base::Duration most) const;
  /// Waits for the entry's turn and takes it; more than delay_max means over budget.
  base::Duration take_turn(Entry& entry, unsigned free, base::Steady now) const;

  Options options_;
  std::array<unsigned char, 16> hash_key_;
  Table pairs_, addresses_, accounts_;
  Table known_;  ///< pairs that succeeded, apart so that failures never push them out
};

}  // namespace ekiden::account
