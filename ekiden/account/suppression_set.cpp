#include "ekiden/account/suppression_set.hpp"

#include <algorithm>

#include "ekiden/base/checksum.hpp"

namespace ekiden::account {
namespace {

// A scope is 29 bits of the stream's hash, or one of the two below, over three bits of reason.
constexpr std::uint32_t kEverywhere = 0;
constexpr std::uint32_t kBulk = 1;

std::uint32_t stream_bits(std::string_view stream, std::uint64_t seed) {
  if (stream == kAllStreams) return kEverywhere;
  if (stream == kBulkStreams) return kBulk;
  const auto bits = static_cast<std::uint32_t>(base::hash64(stream, seed) >> 35);
  return std::max(bits, kBulk + 1);
}

std::uint32_t scope_of(std::string_view stream, SuppressionReason reason, std::uint64_t seed) {
  return stream_bits(stream, seed) << 3 | static_cast<std::uint32_t>(reason);
}

std::uint64_t key_of(std::string_view tenant, std::string_view address, std::uint64_t seed) {
  return base::hash64(address, base::hash64(tenant, seed));
}

bool precedes(const SuppressionSet::Entry& entry, std::uint64_t key) {
  return entry.key < key;
}

bool is_before(const SuppressionSet::Entry& a, const SuppressionSet::Entry& b) {
  return a.key < b.key;
}

SuppressionSet::Entry entry_of(const Suppression& from, std::uint64_t key, std::uint64_t seed) {
  const std::int64_t us = base::to_unix_us(from.expires);
  return {key, us == 0 ? 0 : static_cast<std::uint32_t>((us + 999'999) / 1'000'000),
          scope_of(from.stream, from.reason, seed)};
}

}  // namespace

std::optional<SuppressionReason> SuppressionSet::find(std::string_view tenant,
                                                      std::string_view address,
                                                      std::string_view stream, StreamKind kind,
                                                      base::Time now,
                                                      const SuppressionBypass& bypass) const {
  const std::uint64_t key = key_of(tenant, address, seed_);
  const auto& shard = shards_[key >> 56];
  if (shard == nullptr) return std::nullopt;
  std::optional<SuppressionReason> found;
  const std::uint32_t own = stream_bits(stream, seed_);
  const auto now_s = static_cast<std::uint64_t>(base::to_unix_us(now) / 1'000'000);
  for (auto at = std::lower_bound(shard->begin(), shard->end(), key, precedes);
       at != shard->end() && at->key == key; ++at) {
    if (at->expires_s != 0 && at->expires_s <= now_s) continue;
    const std::uint32_t scope = at->scope >> 3;
    const auto reason = static_cast<SuppressionReason>(at->scope & 7);
    // Who leaves a list still gets receipts and passwords, whatever the stream is called.
    const bool spares_transactional = scope == kBulk || reason == SuppressionReason::Unsubscribe;
    if (spares_transactional && kind == StreamKind::Transactional) continue;
    if (scope != kEverywhere && scope != kBulk && scope != own) continue;
    if (bypass.passes(reason, scope == own)) continue;
    if (!found || reason < *found) found = reason;
  }
  return found;
}

SuppressionSet::Shard& SuppressionEditor::shard(std::uint64_t key) {
  const std::size_t at = key >> 56;
  if (changed_[at] == nullptr) {
    const auto& old = set_.shards_[at];
    changed_[at] = old == nullptr ? std::make_unique<SuppressionSet::Shard>()
                                  : std::make_unique<SuppressionSet::Shard>(*old);
  }
  return *changed_[at];
}

void SuppressionEditor::replace(std::string_view tenant, std::string_view address,
                                const std::vector<Suppression>& with) {
  const std::uint64_t key = key_of(tenant, address, set_.seed_);
  SuppressionSet::Shard& entries = shard(key);
  const auto begin = std::lower_bound(entries.begin(), entries.end(), key, precedes);
  auto end = begin;
  while (end != entries.end() && end->key == key) ++end;
  const auto place = entries.erase(begin, end);
  SuppressionSet::Shard fresh;
  for (const Suppression& one : with) fresh.push_back(entry_of(one, key, set_.seed_));
  entries.insert(place, fresh.begin(), fresh.end());
}

void SuppressionEditor::append(const Suppression& entry) {
  const std::uint64_t key = key_of(entry.tenant, entry.address, set_.seed_);
  shard(key).push_back(entry_of(entry, key, set_.seed_));
  is_sorted_ = false;
}

SuppressionSet SuppressionEditor::finish() {
  for (std::size_t i = 0; i < changed_.size(); ++i) {
    if (changed_[i] == nullptr) continue;
    SuppressionSet::Shard& entries = *changed_[i];
    if (!is_sorted_) std::sort(entries.begin(), entries.end(), is_before);
    entries.shrink_to_fit();
    if (set_.shards_[i] != nullptr) set_.size_ -= set_.shards_[i]->size();
    set_.size_ += entries.size();
    set_.shards_[i] = entries.empty()
                          ? nullptr
                          : std::make_shared<const SuppressionSet::Shard>(std::move(entries));
  }
  return std::move(set_);
}

}  // namespace ekiden::account
