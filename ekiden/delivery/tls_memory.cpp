#include "ekiden/delivery/tls_memory.hpp"

#include <utility>

namespace ekiden::delivery {

TlsMemory::Entry TlsMemory::recall(const std::string& host, base::Steady now) {
  const auto found = hosts_.find(host);
  if (found == hosts_.end() || found->second.until <= now) return {};
  return found->second.entry;
}

void TlsMemory::remember(const std::string& host, Entry entry, base::Steady now) {
  forget_old(now);
  if (entry.level == TlsLevel::Modern) {
    hosts_.erase(host);
    return;
  }
  const base::Steady until = now + time_to_live_;
  hosts_.insert_or_assign(host, Stored{std::move(entry), until});
  order_.emplace_back(until, host);
}

void TlsMemory::forget_old(base::Steady now) {
  while (!order_.empty() && (order_.front().first <= now || hosts_.size() >= hosts_max_ ||
                             order_.size() >= 2 * hosts_max_)) {
    const auto found = hosts_.find(order_.front().second);
    // A host remembered again later has a newer place in the order.
    if (found != hosts_.end() && found->second.until == order_.front().first) hosts_.erase(found);
    order_.pop_front();
  }
}

}  // namespace ekiden::delivery
