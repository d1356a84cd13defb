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

bool SuccessCache::find(const std::string& tag) {
  const auto found = index_.find(tag);
  if (found == index_.end()) return false;
  newest_first_.splice(newest_first_.begin(), newest_first_, found->second);
  return true;
}

void SuccessCache::insert(std::string tag) {
  if (entries_max_ == 0 || find(tag)) return;
  if (newest_first_.size() >= entries_max_) {
    index_.erase(newest_first_.back());
    newest_first_.pop_back();
  }
  newest_first_.push_front(std::move(tag));
  index_.emplace(newest_first_.front(), newest_first_.begin());
}

}  // namespace ekiden::account
