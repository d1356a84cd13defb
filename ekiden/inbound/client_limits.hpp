#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>

#include "ekiden/base/sliding_window.hpp"
#include "ekiden/base/time.hpp"
#include "ekiden/inbound/options.hpp"
#include "ekiden/net/endpoint.hpp"

namespace ekiden::inbound {

/// Counts connections, in all and by address, and their rates. An IPv6 client counts by its /64:
/// that is what one subscriber has.
///
/// Sharing: any thread; a connection or a message locks one of 16 parts for a moment.
class ClientLimits {
 public:
  enum class Answer { Welcome, TooMany, TooManyFromAddress, TooFast };

  /// On Welcome the caller calls `disconnect` once. `is_exempt`: loopback and trusted networks
  /// count in all only, since a local application is one address.
  Answer connect(const net::Address& address, bool is_exempt, const Limits& limits,
                 base::Steady now);
  void disconnect(const net::Address& address, bool is_exempt);

  /// One more message; false: too many for the rate.
  bool message(const net::Address& address, const Limits& limits, base::Steady now);

  /// What is left of the message rate, for clients that ask before they are refused.
  struct Allowance {
    std::uint32_t left = 0;
    base::Duration next{};  ///< until one more
  };
  Allowance messages_left(const net::Address& address, const Limits& limits, base::Steady now);

  std::uint64_t connections() const { return connections_.load(std::memory_order_relaxed); }

 private:
  /// Addresses remembered in one part; past it those without connections are forgotten.
  static constexpr std::size_t kAddressesMax = 16384;

  /// Coarser than a tenant's: there may be an attacker's worth of addresses.
  using Window = base::SlidingWindow<16>;
  static bool take(Window& window, const Rate& rate, base::Steady now);
  struct Client {
    std::uint32_t connections = 0;
    Window connection_rate, message_rate;
  };
  using Key = std::array<std::uint8_t, 8>;
  struct Part {
    std::mutex mutex;
    std::map<Key, Client> clients;
  };

  static Key key_of(const net::Address& address);
  Part& part_of(const Key& key);
  static Client& find(Part& part, const Key& key);

  std::atomic<std::uint64_t> connections_{0};
  std::array<Part, 16> parts_;
};

}  // namespace ekiden::inbound
