#include "ekiden/delivery/source_set.hpp"

#include <algorithm>

#include "ekiden/base/assert.hpp"

namespace ekiden::delivery {
namespace {

constexpr const char* kDefaultPool = "default";

bool takes(const std::vector<std::string>& names, std::string_view name) {
  return names.empty() || std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

bool SourceOptions::has_ipv4() const {
  const bool is_wanted = families.empty() || std::find(families.begin(), families.end(),
                                                       shaping::Family::Ipv4) != families.end();
  return is_wanted && (ipv4.has_value() || !ipv6.has_value());
}

SourceSet::SourceSet(std::vector<SourceOptions> sources, std::vector<PoolOptions> pools)
    : sources_(std::move(sources)), pools_(std::move(pools)) {
  EKIDEN_ASSERT(!sources_.empty(), "without sources there is no set");
  if (!pools_.empty()) return;
  PoolOptions all;
  all.name = kDefaultPool;
  for (const SourceOptions& source : sources_) all.members.push_back({source.name, 1});
  pools_.push_back(std::move(all));
}

const SourceOptions* SourceSet::find(std::string_view name) const {
  for (const SourceOptions& source : sources_)
    if (source.name == name) return &source;
  return nullptr;
}

const PoolOptions& SourceSet::pool_for(std::string_view tenant, std::string_view stream,
                                       std::string_view route, std::string_view named) const {
  const PoolOptions* first = nullptr;
  for (const PoolOptions& pool : pools_) {
    const bool is_named = pool.by_name != ByName::No && !named.empty() && pool.name == named;
    if (pool.by_name == ByName::Only && !is_named) continue;
    if (!takes(pool.streams, stream) || !takes(pool.tenants, tenant) || !takes(pool.routes, route))
      continue;
    if (is_named) return pool;
    if (first == nullptr) first = &pool;
    if (named.empty()) break;
  }
  return first == nullptr ? pools_.back() : *first;
}

const PoolOptions& SourceSet::pool(std::string_view name) const {
  for (const PoolOptions& pool : pools_)
    if (pool.name == name) return pool;
  return pools_.back();
}

Shares::Shares(const PoolOptions& pool) : turns_(pool.members.size(), 0) {
  double sum = 0;
  for (const PoolOptions::Member& member : pool.members) sum += member.weight;
  const double average = sum / static_cast<double>(pool.members.size());
  for (const PoolOptions::Member& member : pool.members)
    strides_.push_back(average / member.weight);
}

/// Who fell behind, because it could not send, is taken for having kept up almost.
double Shares::floor() const {
  return now_ - kAheadMax - 2;
}

std::optional<std::size_t> Shares::next(const std::vector<bool>& may) const {
  std::optional<std::size_t> best;
  for (std::size_t i = 0; i < turns_.size(); ++i)
    if (may[i] && (!best || turns_[i] < turns_[*best])) best = i;
  return best;
}

void Shares::count(std::size_t member) {
  double& turn = turns_[member];
  turn = std::max(turn, floor()) + strides_[member];
  now_ = std::max(now_, turn - strides_[member]);
}

bool Shares::is_ahead(std::size_t member) const {
  const double mine = turns_[member];
  return std::any_of(turns_.begin(), turns_.end(),
                     [&](double turn) { return mine > std::max(turn, floor()) + kAheadMax; });
}

bool Shares::is_ahead(std::size_t member, const std::vector<bool>& may) const {
  for (std::size_t i = 0; i < turns_.size(); ++i) {
    if (i == member || !may[i]) continue;
    if (turns_[member] > std::max(turns_[i], floor()) + kAheadMax) return true;
  }
  return false;
}

}  // namespace ekiden::delivery
