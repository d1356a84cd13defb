#include "ekiden/delivery/traffic_book.hpp"

#include <algorithm>
#include <vector>

namespace ekiden::delivery {

namespace {

/// A quarter at once, so that a stream of new names costs little.
void forget_oldest(TrafficBook::Rows& rows) {
  std::vector<base::Time> times;
  times.reserve(rows.size());
  for (const auto& [name, traffic] : rows) times.push_back(traffic.touched);
  const auto quarter = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 4);
  std::nth_element(times.begin(), quarter, times.end());
  std::erase_if(rows, [limit = *quarter](const auto& row) { return row.second.touched <= limit; });
}

}  // namespace

Traffic& Traffic::operator+=(const Traffic& more) {
  delivered += more.delivered;
  deferred += more.deferred;
  bounced += more.bounced;
  throttled += more.throttled;
  if (!more.last_reply.empty() && more.last_reply_at >= last_reply_at) {
    last_reply = more.last_reply;
    last_reply_at = more.last_reply_at;
  }
  touched = std::max(touched, more.touched);
  return *this;
}

void TrafficBook::count(By by, std::string_view name, const Traffic& more) {
  if (name.empty()) return;
  Rows& rows = rows_[static_cast<std::size_t>(by)];
  auto found = rows.find(name);
  if (found == rows.end()) {
    if (rows.size() >= kNamesMax) forget_oldest(rows);
    found = rows.emplace(name, Traffic()).first;
  }
  found->second += more;
}

}  // namespace ekiden::delivery
