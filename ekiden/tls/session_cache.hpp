#pragma once

#include <cstddef>
#include <deque>
#include <mutex>
#include <string>
#include <unordered_map>

#include "ekiden/tls/openssl.hpp"

namespace ekiden::tls {

/// Sessions to resume, by a key that names peer and policy: a session made under one policy is
/// never offered under another, because resuming skips the certificate.
///
/// Limits: `sessions_max`; beyond it the oldest goes, and costs one full handshake more.
/// Sharing: any thread. Taken once per connection, never per message.
class SessionCache {
 public:
  explicit SessionCache(std::size_t sessions_max) : sessions_max_(sessions_max) {}

  void put(const std::string& key, SSL_SESSION* session);
  /// Null when there is none.
  SessionPtr find(const std::string& key) const;
  void forget(const std::string& key);
  std::size_t size() const;

 private:
  // Sessions are kept as octets (DER): a fifth of the memory, and no reference counts shared
  // between workers.
  const std::size_t sessions_max_;
  mutable std::mutex mutex_;
  std::unordered_map<std::string, std::string> sessions_;
  std::deque<std::string> by_age_;  ///< keys, oldest first; each key of sessions_ once
};

}  // namespace ekiden::tls
