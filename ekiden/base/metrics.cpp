#include "ekiden/base/metrics.hpp"

#include <algorithm>
#include <bit>

namespace ekiden::base {

void Histogram::observe_us(std::uint64_t us) {
  const auto bucket = static_cast<std::size_t>(us <= 1 ? 0 : std::bit_width(us - 1));
  buckets_[std::min(bucket, kBuckets - 1)].fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(us, std::memory_order_relaxed);
}

Metrics::Entry& Metrics::entry(Kind kind, std::string name, std::string help, Labels labels) {
  const std::scoped_lock lock(mutex_);
  for (Entry& e : entries_)
    if (e.name == name && e.labels == labels) return e;
  Entry& e = entries_.emplace_back();
  e.kind = kind;
  e.name = std::move(name);
  e.help = std::move(help);
  e.labels = std::move(labels);
  return e;
}

Counter& Metrics::counter(std::string name, std::string help, Labels labels) {
  return entry(Kind::Counter, std::move(name), std::move(help), std::move(labels)).counter;
}
Gauge& Metrics::gauge(std::string name, std::string help, Labels labels) {
  return entry(Kind::Gauge, std::move(name), std::move(help), std::move(labels)).gauge;
}
Histogram& Metrics::histogram(std::string name, std::string help, Labels labels) {
  return entry(Kind::Histogram, std::move(name), std::move(help), std::move(labels)).histogram;
}

void Metrics::visit(const std::function<void(const Entry&)>& see) const {
  const std::scoped_lock lock(mutex_);
  for (const Entry& e : entries_) see(e);
}

}  // namespace ekiden::base
