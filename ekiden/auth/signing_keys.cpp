#include "ekiden/auth/signing_keys.hpp"

#include <algorithm>
#include <set>

#include "ekiden/auth/dkim_key.hpp"
#include "ekiden/auth/tag_list.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/smtp/address.hpp"

namespace ekiden::auth {

using account::DomainKey;
using account::DomainKeyState;

namespace {

std::string day_selector(char first, base::Time now) {
  std::string selector(1, first);
  for (const char c : base::format_day(now)) {
    if (c != '-') selector += c;
  }
  return selector;
}

KeysDone refused(KeyRefusal why, std::string selector = {}) {
  KeysDone done;
  done.refusal = why;
  done.selector = std::move(selector);
  return done;
}

KeysDone failed(const Error& error) {
  KeysDone done = refused(KeyRefusal::StoreFailed);
  done.error = error;
  return done;
}

bool signs_or_will(const DomainKey& key) {
  return key.state == DomainKeyState::Pending || key.state == DomainKeyState::Active;
}

}  // namespace

std::optional<std::string> signing_domain(std::string_view given) {
  const auto canonical = smtp::canonical_domain(given);
  return canonical ? parse_sdid(*canonical) : std::nullopt;
}

KeysDone SigningKeys::make(DomainKey wanted) {
  const bool is_rsa = wanted.type == "rsa";
  const auto key = PrivateKey::make(is_rsa ? KeyType::Rsa : KeyType::Ed25519, wanted.bits);
  if (!key) return refused(KeyRefusal::CannotBeMade);
  const auto record = key->to_record();
  auto pem = key->to_pem();
  if (!record || !pem) return refused(KeyRefusal::CannotBeMade);
  wanted.bits = key->bits();
  wanted.record = *record;
  const account::Secret secret(std::move(*pem));
  wanted.sealed = account::seal(node_key_, account::kDomainKeyPurpose, secret.view(), random_);
  wanted.created = wanted.changed = author_.now;
  const bool is_free_choice = wanted.selector.empty();
  const std::string base_name = day_selector(is_rsa ? 's' : 'e', author_.now);
  for (char suffix = 'a'; suffix <= 'z'; ++suffix) {
    if (is_free_choice) wanted.selector = base_name + (suffix == 'a' ? "" : std::string(1, suffix));
    const auto added = store_.add_domain_key(wanted, author_);
    if (added) {
      wanted.id = *added;
      KeysDone done;
      done.keys.push_back(std::move(wanted));
      return done;
    }
    if (added.error() != account::Errc::DuplicateName) return failed(added.error());
    if (!is_free_choice) return refused(KeyRefusal::UsedSelector, wanted.selector);
  }
  return refused(KeyRefusal::TooManyToday);
}

KeysDone SigningKeys::rotate(const std::string& domain, std::string_view tenant) {
  auto keys = store_.domain_keys(domain);
  if (!keys) return failed(keys.error());
  if (!tenant.empty())
    std::erase_if(*keys, [&](const DomainKey& key) { return key.tenant != tenant; });
  for (const DomainKey& key : *keys) {
    if (key.state == DomainKeyState::Pending) return refused(KeyRefusal::IsPending, key.selector);
  }
  KeysDone all;
  std::set<std::pair<std::string, std::string>> kinds;  // by type and tenant
  for (const DomainKey& key : *keys) {
    if (key.state != DomainKeyState::Active) continue;
    if (!kinds.insert({key.type, key.tenant}).second) continue;
    DomainKey wanted;
    wanted.domain = domain;
    wanted.type = key.type;
    wanted.bits =
        key.type == "rsa" ? std::clamp(key.bits, kMadeRsaBitsMin, kMadeRsaBitsMax) : key.bits;
    wanted.tenant = key.tenant;
    KeysDone made = make(std::move(wanted));
    if (!made.ok()) return made;
    all.keys.push_back(std::move(made.keys.front()));
  }
  if (all.keys.empty()) return refused(KeyRefusal::NothingSigns);
  return all;
}

KeysDone SigningKeys::retire(const std::string& domain, std::string_view selector, bool is_forced,
                             std::string_view tenant) {
  const auto keys = store_.domain_keys(domain);
  if (!keys) return failed(keys.error());
  const auto found = std::find_if(keys->begin(), keys->end(), [&](const DomainKey& key) {
    return base::equals_ignoring_case(key.selector, selector) &&
           (tenant.empty() || key.tenant == tenant);
  });
  if (found == keys->end()) return refused(KeyRefusal::NoSuchSelector, std::string(selector));
  if (!signs_or_will(*found)) {
    KeysDone over = refused(KeyRefusal::IsOver, found->selector);
    over.keys.push_back(*found);
    return over;
  }
  const auto signing = std::count_if(keys->begin(), keys->end(), [](const DomainKey& key) {
    return key.state == DomainKeyState::Active;
  });
  if (found->state == DomainKeyState::Active && signing == 1 && !is_forced)
    return refused(KeyRefusal::IsLast, found->selector);
  // What never signed anything need not stay published.
  const DomainKeyState to =
      found->state == DomainKeyState::Pending ? DomainKeyState::Retired : DomainKeyState::Retiring;
  const auto set = store_.set_domain_key_state(found->id, found->state, to, author_);
  if (!set) return failed(set.error());
  KeysDone done;
  done.keys.push_back(*found);
  done.keys.back().state = to;
  done.keys.back().changed = author_.now;
  return done;
}

}  // namespace ekiden::auth
