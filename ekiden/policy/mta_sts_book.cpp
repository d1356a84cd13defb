// Invariants:
// - `trying_` holds the domains that are being fetched, and those that failed a while ago; the
//   latter leave when the map is full, which costs one try too early.
#include "ekiden/policy/mta_sts_book.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <utility>

namespace ekiden::policy {

namespace json = boost::json;

namespace {

constexpr std::int64_t kVersion = 1;

struct Named {
  std::string domain;
  MtaStsEntry entry;
};

std::optional<Named> parse_one(const json::value& value) {
  const json::object* object = value.if_object();
  if (object == nullptr) return std::nullopt;
  const auto text = [&](std::string_view key) -> std::string {
    const json::value* field = object->if_contains(key);
    return field != nullptr && field->is_string()
               ? std::string(std::string_view(field->as_string()))
               : std::string();
  };
  const auto time = [&](std::string_view key) {
    const json::value* field = object->if_contains(key);
    return base::from_unix_us(field != nullptr && field->is_int64() ? field->as_int64() : 0);
  };
  Named named;
  named.domain = text("domain");
  named.entry.id = text("id");
  std::string why;
  std::optional<MtaStsPolicy> policy = parse_mta_sts_policy(text("policy"), why);
  if (!policy || named.domain.empty()) return std::nullopt;
  named.entry.policy = std::move(*policy);
  named.entry.fetched = time("fetched_us");
  named.entry.used = time("used_us");
  return named;
}

}  // namespace

bool MtaStsBook::load(std::string_view octets, base::Time now) {
  if (octets.empty()) return true;
  boost::system::error_code error;
  const json::value value = json::parse(json::string_view(octets.data(), octets.size()), error);
  const json::object* object = error ? nullptr : value.if_object();
  const json::value* list = object == nullptr ? nullptr : object->if_contains("policies");
  if (list == nullptr || !list->is_array()) return false;
  const std::lock_guard lock(mutex_);
  for (const json::value& each : list->as_array()) {
    std::optional<Named> one = parse_one(each);
    if (!one || one->entry.expires() <= now || entries_.size() >= kEntriesMax) continue;
    // A clock that was ahead must not keep a policy for longer than it promised.
    one->entry.fetched = std::min(one->entry.fetched, now);
    entries_.insert_or_assign(std::move(one->domain), std::move(one->entry));
  }
  return true;
}

std::string MtaStsBook::encode() const {
  json::array list;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [domain, entry] : entries_) {
      list.push_back(json::object{{"domain", domain},
                                  {"id", entry.id},
                                  {"fetched_us", base::to_unix_us(entry.fetched)},
                                  {"used_us", base::to_unix_us(entry.used)},
                                  {"policy", format_mta_sts_policy(entry.policy)}});
    }
  }
  // In one order, so that equal books are equal files.
  std::sort(list.begin(), list.end(), [](const json::value& a, const json::value& b) {
    return a.at("domain").as_string() < b.at("domain").as_string();
  });
  return json::serialize(json::object{{"version", kVersion}, {"policies", std::move(list)}}) + "\n";
}

std::optional<MtaStsEntry> MtaStsBook::find(std::string_view domain, base::Time now) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(domain);
  if (found == entries_.end() || found->second.expires() <= now) return std::nullopt;
  found->second.used = std::max(found->second.used, now);
  return found->second;
}

bool MtaStsBook::begin_fetch(const std::string& domain, base::Time now) {
  const std::lock_guard lock(mutex_);
  if (trying_.size() >= kEntriesMax) {
    std::erase_if(trying_, [](const auto& one) { return !one.second.is_under_way; });
  }
  Trying& trying = trying_[domain];
  if (trying.is_under_way) return false;
  // A clock that was set back makes nobody wait longer.
  if (trying.failed <= now && now < trying.failed + kRetryPause) return false;
  trying.is_under_way = true;
  return true;
}

void MtaStsBook::put(const std::string& domain, MtaStsEntry entry) {
  {
    const std::lock_guard lock(mutex_);
    trying_.erase(domain);
    const auto known = entries_.find(domain);
    if (known != entries_.end()) {
      entry.used = std::max(entry.used, known->second.used);
      known->second = std::move(entry);
    } else {
      if (entries_.size() >= kEntriesMax) make_room();
      entries_.emplace(domain, std::move(entry));
    }
  }
  if (changed_) changed_();
}

void MtaStsBook::fail(const std::string& domain, base::Time now) {
  const std::lock_guard lock(mutex_);
  trying_[domain] = {false, now};
}

void MtaStsBook::give_up(const std::string& domain) {
  const std::lock_guard lock(mutex_);
  trying_.erase(domain);
}

void MtaStsBook::make_room() {
  const auto first = std::min_element(
      entries_.begin(), entries_.end(),
      [](const auto& a, const auto& b) { return a.second.expires() < b.second.expires(); });
  if (first != entries_.end()) entries_.erase(first);
}

std::vector<std::string> MtaStsBook::due(base::Time now, std::size_t max) const {
  std::vector<std::string> domains;
  const std::lock_guard lock(mutex_);
  for (const auto& [domain, entry] : entries_) {
    if (domains.size() == max) break;
    if (entry.fetched + kRefreshAfter > now || entry.used + kForgetAfter < now) continue;
    domains.push_back(domain);
  }
  return domains;
}

std::size_t MtaStsBook::size() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

}  // namespace ekiden::policy
