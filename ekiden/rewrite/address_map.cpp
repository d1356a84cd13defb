#include "ekiden/rewrite/address_map.hpp"

#include "ekiden/base/text.hpp"

namespace ekiden::rewrite {
namespace {

std::string quoted(std::string_view text) {
  return "\"" + base::printable(text, 80) + "\"";
}

/// "user@domain" or "@domain" as a key; empty when it is neither.
std::string key_of(std::string_view text) {
  if (text.starts_with('@')) {
    const Result<std::string> domain = smtp::canonical_domain(text.substr(1));
    return domain ? "@" + *domain : std::string();
  }
  const Result<smtp::Address> address = smtp::parse_address(text);
  return address ? map_key(*address) : std::string();
}

/// The part of a key from its '@': the domain's own key.
std::string_view domain_key(std::string_view key) {
  const std::size_t at = key.rfind('@');
  return at == std::string_view::npos ? std::string_view() : key.substr(at);
}

/// A target's domain goes into headers and commands: always as A-labels.
std::optional<smtp::Address> target_of(std::string_view text) {
  Result<smtp::Address> address = smtp::parse_address(text);
  if (!address) return std::nullopt;
  Result<std::string> domain = smtp::canonical_domain(address->domain);
  if (!domain) return std::nullopt;
  return smtp::Address{std::move(address->local), std::move(*domain)};
}

bool is_same(const smtp::Address& a, const smtp::Address& b) {
  return a.local == b.local && base::equals_ignoring_case(a.domain, b.domain);
}

}  // namespace

std::string map_key(const smtp::Address& address) {
  return base::lowered(smtp::comparison_key(address));
}

bool AddressMap::add(std::string_view from, std::string_view to, std::string& why) {
  std::string key = key_of(from);
  if (key.empty()) {
    why = quoted(from) + " is neither an address nor \"@domain\"";
    return false;
  }
  smtp::Address target;
  if (to.starts_with('@')) {
    Result<std::string> domain = smtp::canonical_domain(to.substr(1));
    if (!domain) {
      why = quoted(to) + " is neither an address nor \"@domain\"";
      return false;
    }
    target.domain = std::move(*domain);
  } else if (auto address = target_of(to)) {
    target = std::move(*address);
  } else {
    why = quoted(to) + " is neither an address nor \"@domain\"";
    return false;
  }
  if (!entries_.emplace(std::move(key), std::move(target)).second) {
    why = quoted(from) + " stands twice";
    return false;
  }
  return true;
}

std::optional<smtp::Address> AddressMap::find(const smtp::Address& address) const {
  if (entries_.empty()) return std::nullopt;
  const std::string key = map_key(address);
  auto found = entries_.find(key);
  if (found == entries_.end()) found = entries_.find(domain_key(key));
  if (found == entries_.end()) return std::nullopt;
  smtp::Address target = found->second;
  if (target.local.empty()) target.local = address.local;
  if (is_same(target, address)) return std::nullopt;
  return target;
}

bool AliasMap::add(std::string_view from, std::string_view targets, std::string& why) {
  std::string key = key_of(from);
  if (key.empty()) {
    why = quoted(from) + " is neither an address nor \"@domain\"";
    return false;
  }
  std::vector<smtp::Address> list;
  std::size_t begin = 0;
  bool is_quoted = false;
  for (std::size_t i = 0; i <= targets.size(); ++i) {
    if (i < targets.size()) {
      if (targets[i] == '\\')
        ++i;
      else if (targets[i] == '"')
        is_quoted = !is_quoted;
      if (i >= targets.size()) break;
      if (targets[i] != ',' || is_quoted) continue;
    }
    const std::string_view one = base::trimmed(targets.substr(begin, i - begin));
    begin = i + 1;
    auto address = target_of(one);
    if (!address) {
      why = quoted(one) + " is no address";
      return false;
    }
    if (list.size() == kAliasTargetsMax) {
      why = quoted(from) + " names more than 1000 addresses";
      return false;
    }
    list.push_back(std::move(*address));
  }
  if (list.empty()) {
    why = quoted(from) + " names no address";
    return false;
  }
  if (!entries_.emplace(std::move(key), std::move(list)).second) {
    why = quoted(from) + " stands twice";
    return false;
  }
  return true;
}

const std::vector<smtp::Address>* AliasMap::find(const smtp::Address& address) const {
  if (entries_.empty()) return nullptr;
  const std::string key = map_key(address);
  auto found = entries_.find(key);
  if (found == entries_.end()) found = entries_.find(domain_key(key));
  return found == entries_.end() ? nullptr : &found->second;
}

bool Masquerade::add(std::string_view pattern, std::string_view domain, std::string& why) {
  const bool is_below = pattern.starts_with("*.");
  const Result<std::string> from = smtp::canonical_domain(is_below ? pattern.substr(2) : pattern);
  if (!from || from->starts_with('[')) {
    why = quoted(pattern) + " is no host name and no \"*.domain\"";
    return false;
  }
  const Result<std::string> to = smtp::canonical_domain(domain);
  if (!to || to->starts_with('[')) {
    why = quoted(domain) + " is no domain";
    return false;
  }
  if (!(is_below ? below_ : exact_).emplace(*from, *to).second) {
    why = quoted(pattern) + " stands twice";
    return false;
  }
  return true;
}

void Masquerade::except(std::string_view who) {
  const std::string key = key_of(who);
  excepted_.insert(key.empty() ? base::lowered(who) : key);
}

std::optional<smtp::Address> Masquerade::find(const smtp::Address& address) const {
  if (is_empty() || address.is_literal()) return std::nullopt;
  const std::string key = map_key(address);
  const std::string_view at_domain = domain_key(key);
  if (at_domain.empty()) return std::nullopt;
  if (!excepted_.empty()) {
    const std::string_view local = std::string_view(key).substr(0, key.size() - at_domain.size());
    if (excepted_.contains(key) || excepted_.contains(at_domain) || excepted_.contains(local))
      return std::nullopt;
  }
  std::string_view name = at_domain.substr(1);
  const auto become = [&](const std::string& domain) -> std::optional<smtp::Address> {
    if (domain == at_domain.substr(1)) return std::nullopt;
    return smtp::Address{address.local, domain};
  };
  if (const auto found = exact_.find(name); found != exact_.end()) return become(found->second);
  for (std::size_t dot = name.find('.'); dot != std::string_view::npos; dot = name.find('.')) {
    name.remove_prefix(dot + 1);
    if (const auto found = below_.find(name); found != below_.end()) return become(found->second);
  }
  return std::nullopt;
}

}  // namespace ekiden::rewrite
