#include "ekiden/tls/session_cache.hpp"

#include <algorithm>

namespace ekiden::tls {

void SessionCache::put(const std::string& key, SSL_SESSION* session) {
  const int size = i2d_SSL_SESSION(session, nullptr);
  if (size <= 0) return;
  std::string octets(static_cast<std::size_t>(size), '\0');
  auto* out = reinterpret_cast<unsigned char*>(octets.data());
  i2d_SSL_SESSION(session, &out);

  const std::lock_guard lock(mutex_);
  const auto [it, is_new] = sessions_.insert_or_assign(key, std::move(octets));
  if (!is_new) return;
  by_age_.push_back(key);
  if (by_age_.size() > sessions_max_) {
    sessions_.erase(by_age_.front());
    by_age_.pop_front();
  }
}

SessionPtr SessionCache::find(const std::string& key) const {
  std::string octets;
  {
    const std::lock_guard lock(mutex_);
    const auto it = sessions_.find(key);
    if (it == sessions_.end()) return nullptr;
    octets = it->second;
  }
  const auto* in = reinterpret_cast<const unsigned char*>(octets.data());
  return SessionPtr(d2i_SSL_SESSION(nullptr, &in, static_cast<long>(octets.size())));
}

void SessionCache::forget(const std::string& key) {
  const std::lock_guard lock(mutex_);
  if (sessions_.erase(key) == 0) return;
  by_age_.erase(std::find(by_age_.begin(), by_age_.end(), key));
}

std::size_t SessionCache::size() const {
  const std::lock_guard lock(mutex_);
  return sessions_.size();
}

}  // namespace ekiden::tls
