#include "ekiden/dns/cache.hpp"

#include <algorithm>

#include "ekiden/dns/name.hpp"

// Invariants: index_ and entries_ hold the same entries; octets_ is the sum of theirs and never
// above octets_max; an expired entry may stay until it is looked up or pushed out.

namespace ekiden::dns {
namespace {

// A list node, a hash node and their pointers, roughly.
constexpr std::size_t kEntryOverheadOctets = 256;

std::size_t octets_of(const Answer& answer) {
  std::size_t octets = kEntryOverheadOctets + answer.canonical_name.size() + answer.reason.size();
  for (const std::string& rdata : answer.rdata) octets += sizeof rdata + rdata.size();
  return octets;
}

}  // namespace

std::string Cache::key_of(std::string_view name, Type type) {
  std::string key = canonical_name(name);
  const auto number = static_cast<std::uint16_t>(type);
  key.push_back('\0');
  key.push_back(static_cast<char>(number >> 8));
  key.push_back(static_cast<char>(number & 0xff));
  return key;
}

std::uint32_t Cache::ttl_of(const Answer& answer) const {
  switch (answer.status) {
    case Status::Ok:
      return std::clamp(answer.ttl_s, options_.ttl_min_s, options_.ttl_max_s);
    case Status::NoData:
    case Status::NoDomain:
      return std::clamp(answer.ttl_s, options_.ttl_min_s, options_.negative_ttl_max_s);
    case Status::Failed:
    case Status::Bogus:
      return options_.failure_ttl_s;
  }
  return 0;
}

std::optional<Answer> Cache::find(std::string_view name, Type type, base::Steady now) {
  const auto found = index_.find(key_of(name, type));
  if (found == index_.end()) return std::nullopt;
  const Entries::iterator entry = found->second;
  if (entry->expires <= now) {
    erase(entry);
    return std::nullopt;
  }
  entries_.splice(entries_.begin(), entries_, entry);
  Answer answer = entry->answer;
  const auto left = std::chrono::ceil<std::chrono::seconds>(entry->expires - now);
  answer.ttl_s = static_cast<std::uint32_t>(left.count());
  return answer;
}

void Cache::insert(std::string_view name, Type type, const Answer& answer, base::Steady now) {
  const std::uint32_t ttl_s = ttl_of(answer);
  std::string key = key_of(name, type);
  const std::size_t octets = octets_of(answer) + key.size();
  if (const auto found = index_.find(key); found != index_.end()) erase(found->second);
  if (ttl_s == 0 || octets > options_.octets_max || options_.entries_max == 0) return;
  while (entries_.size() >= options_.entries_max || octets_ + octets > options_.octets_max) {
    erase(std::prev(entries_.end()));
  }
  entries_.push_front({std::move(key), answer, now + std::chrono::seconds(ttl_s), octets});
  index_.emplace(entries_.front().key, entries_.begin());
  octets_ += octets;
}

void Cache::erase(Entries::iterator entry) {
  octets_ -= entry->octets;
  index_.erase(entry->key);
  entries_.erase(entry);
}

void Cache::clear() {
  index_.clear();
  entries_.clear();
  octets_ = 0;
}

}  // namespace ekiden::dns
