#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "ekiden/smtp/address.hpp"

namespace ekiden::rewrite {

/// Entries of one map; a configuration with more is refused.
inline constexpr std::size_t kMapEntriesMax = 1'000'000;
/// Addresses that one alias names.
inline constexpr std::size_t kAliasTargetsMax = 1'000;

struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const {
    return std::hash<std::string_view>{}(text);
  }
};

/// What maps are looked up by: local part without quotes, canonical domain, all in lower case.
/// RFC 5321 §2.4 (lenient): the local part's case counts, but nobody means that by a map.
std::string map_key(const smtp::Address& address);

/// From addresses to one address each. A key is an address or "@domain" (everybody there); so is
/// a target, and "@domain" as a target keeps the local part. The address itself comes first, then
/// its domain. Two hash lookups.
///
/// Sharing: immutable once filled; any thread.
class AddressMap {
 public:
  /// False: not a key or not a target; `why` then says which.
  bool add(std::string_view from, std::string_view to, std::string& why);
  bool is_empty() const { return entries_.empty(); }
  /// The new address; nothing when none is found or it is the same.
  std::optional<smtp::Address> find(const smtp::Address& address) const;

 private:
  std::unordered_map<std::string, smtp::Address, TextHash, std::equal_to<>> entries_;
};

/// From addresses to those that stand for them; keys as in AddressMap, targets are addresses.
class AliasMap {
 public:
  /// `targets` has commas between addresses.
  bool add(std::string_view from, std::string_view targets, std::string& why);
  bool is_empty() const { return entries_.empty(); }
  const std::vector<smtp::Address>* find(const smtp::Address& address) const;

 private:
  std::unordered_map<std::string, std::vector<smtp::Address>, TextHash, std::equal_to<>> entries_;
};

/// Host names to be hidden: "*.corp.example" (every name below it) or "web1.corp.example" becomes
/// another domain. The longest pattern wins.
class Masquerade {
 public:
  bool add(std::string_view pattern, std::string_view domain, std::string& why);
  /// Who keeps the host name: "root" (there and everywhere), "root@db1.corp.example",
  /// "@db1.corp.example".
  void except(std::string_view who);
  bool is_empty() const { return exact_.empty() && below_.empty(); }
  std::optional<smtp::Address> find(const smtp::Address& address) const;

 private:
  using Domains = std::unordered_map<std::string, std::string, TextHash, std::equal_to<>>;
  Domains exact_, below_;
  std::unordered_set<std::string, TextHash, std::equal_to<>> excepted_;
};

}  // namespace ekiden::rewrite
