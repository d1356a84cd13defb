#include "ekiden/account/success_cache.hpp"

#include <utility>

#include "ekiden/base/bytes.hpp"

namespace ekiden::account {

std::string SuccessCache::tag(const Credential& credential, std::string_view password) const {
  std::string value;
  value.reserve(16 + password.size());
  base::ByteWriter writer(value);
  writer.i64(credential.id);
  writer.u64(credential.version);
  writer.octets(password);
  std::string tag = key_.hash("success", value);
  wipe(value);
  return tag;
}

SuccessCache::Shard& SuccessCache::shard_of(const std::string& tag) {
  // A tag is a keyed hash: each of its octets is uniform.
  return shards_[static_cast<unsigned char>(tag.front()) % kShards];
}

bool SuccessCache::find(const std::string& tag) {
  Shard& shard = shard_of(tag);
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.index.find(tag);
  if (found == shard.index.end()) return false;
  shard.newest_first.splice(shard.newest_first.begin(), shard.newest_first, found->second);
  return true;
}

void SuccessCache::insert(std::string tag) {
  if (shard_entries_max_ == 0 || find(tag)) return;
  Shard& shard = shard_of(tag);
  const std::lock_guard lock(shard.mutex);
  if (shard.index.contains(tag)) return;
  if (shard.newest_first.size() >= shard_entries_max_) {
    shard.index.erase(shard.newest_first.back());
    shard.newest_first.pop_back();
  }
  shard.newest_first.push_front(std::move(tag));
  shard.index.emplace(shard.newest_first.front(), shard.newest_first.begin());
}

}  // namespace ekiden::account
