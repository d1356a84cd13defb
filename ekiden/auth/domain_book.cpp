#include "ekiden/auth/domain_book.hpp"

#include <algorithm>

namespace ekiden::auth {

std::shared_ptr<const DomainFacts> DomainBook::find(std::string_view domain,
                                                    base::Steady now) const {
  const std::lock_guard lock(mutex_);
  const auto at = entries_.find(domain);
  if (at == entries_.end() || at->second.facts == nullptr) return nullptr;
  return now < at->second.found + kUsableFor ? at->second.facts : nullptr;
}

bool DomainBook::begin_look(const std::string& domain, base::Steady now) {
  const std::lock_guard lock(mutex_);
  const auto at = entries_.find(domain);
  if (at == entries_.end()) {
    make_room();
    entries_[domain].is_under_way = true;
    return true;
  }
  Entry& entry = at->second;
  const bool has_good = entry.facts != nullptr && entry.facts->trouble.empty();
  const bool is_fresh = has_good && now < entry.found + kFreshFor;
  if (is_fresh || entry.is_under_way || now < entry.looked + kRetryPause) return false;
  entry.is_under_way = true;
  return true;
}

void DomainBook::put(DomainFacts facts, base::Steady now) {
  const std::lock_guard lock(mutex_);
  if (entries_.find(facts.domain) == entries_.end()) make_room();
  Entry& entry = entries_[facts.domain];
  entry.is_under_way = false;
  entry.looked = now;
  const bool has_usable =
      entry.facts != nullptr && entry.facts->trouble.empty() && now < entry.found + kUsableFor;
  if (!facts.trouble.empty() && has_usable) return;
  entry.found = now;
  entry.facts = std::make_shared<const DomainFacts>(std::move(facts));
}

void DomainBook::clear() {
  const std::lock_guard lock(mutex_);
  entries_.clear();
}

std::size_t DomainBook::size() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

void DomainBook::make_room() {
  if (entries_.size() < kDomainsMax) return;
  // Seldom, and it need not be the very oldest: of a few entries the one looked up longest ago.
  constexpr std::size_t kLooks = 32;
  auto oldest = entries_.begin();
  std::size_t looks = 0;
  for (auto at = entries_.begin(); at != entries_.end() && looks < kLooks; ++at, ++looks)
    if (at->second.looked < oldest->second.looked) oldest = at;
  entries_.erase(oldest);
}

}  // namespace ekiden::auth
