#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>

#include "ekiden/base/time.hpp"

namespace ekiden::delivery {

/// How a connection is protected, best first. Opportunistic TLS goes down one step when the
/// handshake fails; Required and Verified never do.
enum class TlsLevel : std::uint8_t {
  Modern,      ///< what a fresh OpenSSL would accept
  Compatible,  ///< TLS 1.0, SHA-1 signatures, short keys: better than nothing
  Plain,
};

/// Remembers the hosts with which a better level failed, so that not every connection pays for a
/// failing handshake; forgets after a while, so that a repaired host gets its TLS back.
///
/// Sharing: one worker owns one.
class TlsMemory {
 public:
  static constexpr base::Duration kTimeToLive = std::chrono::hours(1);
  /// Past it the oldest are forgotten: they pay for one more handshake.
  static constexpr std::size_t kHostsMax = 10'000;

  struct Entry {
    TlsLevel level = TlsLevel::Modern;
    std::string why;  ///< what the better level failed with
  };

  explicit TlsMemory(base::Duration time_to_live = kTimeToLive, std::size_t hosts_max = kHostsMax)
      : time_to_live_(time_to_live), hosts_max_(hosts_max) {}

  /// `host` with its port: "mx.example:25". Modern when nothing is remembered.
  Entry recall(const std::string& host, base::Steady now);
  /// Modern forgets the host.
  void remember(const std::string& host, Entry entry, base::Steady now);
  std::size_t size() const { return hosts_.size(); }

 private:
  struct Stored {
    Entry entry;
    base::Steady until;
  };
  void forget_old(base::Steady now);

  base::Duration time_to_live_;
  std::size_t hosts_max_;
  std::unordered_map<std::string, Stored> hosts_;
  std::deque<std::pair<base::Steady, std::string>> order_;  // by `until`, may hold stale names
};

}  // namespace ekiden::delivery
