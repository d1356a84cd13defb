#include "ekiden/cli/dkim_commands.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <ostream>
#include <set>

#include "ekiden/account/domain_key.hpp"
#include "ekiden/auth/dkim_key.hpp"
#include "ekiden/auth/tag_list.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/cli/store_answers.hpp"
#include "ekiden/smtp/address.hpp"

namespace ekiden::cli {

namespace json = boost::json;
using account::DomainKey;
using account::DomainKeyState;

namespace {

/// RFC 8301 §3.2: "Signers SHOULD use RSA keys of at least 2048 bits"; 4096 is what every verifier
/// takes.
constexpr std::uint32_t kBitsMin = 2048;
constexpr std::uint32_t kBitsMax = 4096;

/// "name. IN TXT ( "…" "…" )", in strings of 255 octets as a zone file needs them.
std::string zone_line(const DomainKey& key) {
  constexpr std::size_t kStringOctetsMax = 255;
  std::string line = key.record_name() + ". IN TXT (";
  for (std::size_t at = 0; at < key.record.size(); at += kStringOctetsMax) {
    line += " \"" + key.record.substr(at, kStringOctetsMax) + "\"";
  }
  return line + " )";
}

json::object describe(const DomainKey& key) {
  const auto time = [](base::Time when) -> json::value {
    if (when == base::Time{}) return nullptr;
    return json::string(base::format_rfc3339(when));
  };
  json::object object{{"domain", key.domain},
                      {"selector", key.selector},
                      {"type", key.type},
                      {"bits", key.bits},
                      {"state", account::domain_key_state_name(key.state)},
                      {"record_name", key.record_name()},
                      {"record", key.record},
                      {"zone_line", zone_line(key)},
                      {"created", time(key.created)},
                      {"changed", time(key.changed)},
                      {"last_signed", time(key.last_signed)}};
  object["tenant"] = key.tenant.empty() ? json::value(nullptr) : json::value(key.tenant);
  return object;
}

std::string day_selector(char first, base::Time now) {
  std::string selector(1, first);
  for (const char c : base::format_day(now)) {
    if (c != '-') selector += c;
  }
  return selector;
}

struct Made {
  DomainKey key;
  int status = kDone;
};

/// Makes a key and keeps it, pending. With an empty selector the first free one of the day.
Made make_key(DomainKey wanted, UserContext& context) {
  Made made;
  const bool is_rsa = wanted.type == "rsa";
  const auto key =
      auth::PrivateKey::make(is_rsa ? auth::KeyType::Rsa : auth::KeyType::Ed25519, wanted.bits);
  if (!key) {
    made.status = refuse(context, wanted.domain, key.error().message(), kFailed);
    return made;
  }
  const auto record = key->to_record();
  auto pem = key->to_pem();
  if (!record || !pem) {
    made.status = refuse(context, wanted.domain, "the key cannot be written", kFailed);
    return made;
  }
  wanted.bits = key->bits();
  wanted.record = *record;
  const account::Secret secret(std::move(*pem));
  wanted.sealed =
      account::seal(context.node_key, account::kDomainKeyPurpose, secret.view(), context.random);
  wanted.created = wanted.changed = context.author.now;
  const bool is_free_choice = wanted.selector.empty();
  const std::string base_name = day_selector(is_rsa ? 's' : 'e', context.author.now);
  for (char suffix = 'a'; suffix <= 'z'; ++suffix) {
    if (is_free_choice) wanted.selector = base_name + (suffix == 'a' ? "" : std::string(1, suffix));
    const auto added = context.store.add_domain_key(wanted, context.author);
    if (added) {
      wanted.id = *added;
      made.key = std::move(wanted);
      return made;
    }
    if (added.error() == account::Errc::DuplicateName && is_free_choice) continue;
    if (added.error() == account::Errc::DuplicateName) {
      made.status =
          refuse(context, wanted.selector,
                 "the domain has or had this selector; one is never used again", kRefused);
    } else {
      made.status =
          report(context, wanted.tenant.empty() ? wanted.domain : wanted.tenant, added.error());
    }
    return made;
  }
  made.status = refuse(context, wanted.domain, "too many keys for one day", kRefused);
  return made;
}

void show_made(const DomainKey& key, UserContext& context) {
  if (context.is_json) {
    context.out << json::serialize(describe(key)) << '\n';
    return;
  }
  context.out << "key " << key.selector << " of " << key.domain << " made ("
              << (key.type == "rsa" ? "RSA, " + std::to_string(key.bits) + " bits" : "Ed25519")
              << ")\n\nPublish this record; the key signs as soon as the relay sees it:\n\n"
              << zone_line(key) << '\n';
}

bool domain_of(const std::string& given, std::string& domain, UserContext& context) {
  auto canonical = smtp::canonical_domain(given);
  const auto sdid = canonical ? auth::parse_sdid(*canonical) : std::nullopt;
  if (!sdid) {
    refuse(context, given, "is no domain that mail can be signed for", kUsage);
    return false;
  }
  domain = *sdid;
  return true;
}

bool signs_or_will(const DomainKey& key) {
  return key.state == DomainKeyState::Pending || key.state == DomainKeyState::Active;
}

}  // namespace

int dkim_keygen(const DkimKeygenOptions& options, UserContext& context) {
  DomainKey wanted;
  if (!domain_of(options.domain, wanted.domain, context)) return kUsage;
  if (!options.selector.empty()) {
    const auto selector = auth::parse_selector(options.selector);
    if (!selector) return refuse(context, options.selector, "is no selector", kUsage);
    wanted.selector = *selector;
  }
  if (!options.ed25519 && (options.bits < kBitsMin || options.bits > kBitsMax)) {
    return refuse(context, "--bits", "RSA keys have 2048 to 4096 bits", kUsage);
  }
  wanted.type = options.ed25519 ? "ed25519" : "rsa";
  wanted.bits = options.bits;
  wanted.tenant = options.tenant;
  const Made made = make_key(std::move(wanted), context);
  if (made.status == kDone) show_made(made.key, context);
  return made.status;
}

int dkim_list(const std::string& given, UserContext& context) {
  std::string domain;
  if (!given.empty() && !domain_of(given, domain, context)) return kUsage;
  const auto keys = context.store.domain_keys(domain);
  if (!keys) return report(context, "dkim list", keys.error());
  if (context.is_json) {
    json::array list;
    for (const DomainKey& key : *keys) list.push_back(describe(key));
    context.out << json::serialize(json::object{{"keys", std::move(list)}}) << '\n';
    return kDone;
  }
  if (keys->empty()) context.out << "no keys\n";
  for (const DomainKey& key : *keys) {
    context.out << key.domain << "  " << key.selector << "  " << key.type << ' ' << key.bits << "  "
                << account::domain_key_state_name(key.state)
                << "  tenant=" << (key.tenant.empty() ? "any" : key.tenant) << "  last-signed="
                << (key.last_signed == base::Time{} ? "never"
                                                    : base::format_rfc3339(key.last_signed))
                << '\n';
    if (key.state == DomainKeyState::Pending) {
      context.out << "  waits to be seen as: " << zone_line(key) << '\n';
    }
  }
  return kDone;
}

int dkim_rotate(const std::string& given, UserContext& context) {
  std::string domain;
  if (!domain_of(given, domain, context)) return kUsage;
  const auto keys = context.store.domain_keys(domain);
  if (!keys) return report(context, domain, keys.error());
  std::set<std::pair<std::string, std::string>> done;  // by type and tenant
  for (const DomainKey& key : *keys) {
    if (key.state == DomainKeyState::Pending) {
      return refuse(context, key.selector,
                    "waits for its record to be seen: publish it, or `ekiden dkim retire` it",
                    kRefused);
    }
  }
  for (const DomainKey& key : *keys) {
    if (key.state != DomainKeyState::Active) continue;
    if (!done.insert({key.type, key.tenant}).second) continue;
    DomainKey wanted;
    wanted.domain = domain;
    wanted.type = key.type;
    wanted.bits = key.type == "rsa" ? std::clamp(key.bits, kBitsMin, kBitsMax) : key.bits;
    wanted.tenant = key.tenant;
    const Made made = make_key(std::move(wanted), context);
    if (made.status != kDone) return made.status;
    show_made(made.key, context);
  }
  if (done.empty()) {
    return refuse(context, domain, "no key signs for it; `ekiden dkim keygen` makes one", kRefused);
  }
  return kDone;
}

int dkim_retire(const DkimRetireOptions& options, UserContext& context) {
  std::string domain;
  if (!domain_of(options.domain, domain, context)) return kUsage;
  const auto keys = context.store.domain_keys(domain);
  if (!keys) return report(context, domain, keys.error());
  const auto found = std::find_if(keys->begin(), keys->end(), [&](const DomainKey& key) {
    return base::equals_ignoring_case(key.selector, options.selector);
  });
  if (found == keys->end()) {
    return refuse(context, options.selector, "the domain has no such selector", kRefused);
  }
  if (!signs_or_will(*found)) {
    return refuse(context, options.selector,
                  "is " + std::string(account::domain_key_state_name(found->state)) + " already",
                  kRefused);
  }
  const auto signing = std::count_if(keys->begin(), keys->end(), [](const DomainKey& key) {
    return key.state == DomainKeyState::Active;
  });
  if (found->state == DomainKeyState::Active && signing == 1 && !options.force) {
    return refuse(context, options.selector,
                  "is the domain's last key, without it mail leaves unsigned: `ekiden dkim rotate` "
                  "first, or give --force",
                  kRefused);
  }
  // What never signed anything need not stay published.
  const DomainKeyState to =
      found->state == DomainKeyState::Pending ? DomainKeyState::Retired : DomainKeyState::Retiring;
  const auto set = context.store.set_domain_key_state(found->id, found->state, to, context.author);
  if (!set) return report(context, options.selector, set.error());
  if (context.is_json) {
    context.out << json::serialize(json::object{{"domain", domain},
                                                {"selector", found->selector},
                                                {"state", account::domain_key_state_name(to)}})
                << '\n';
    return kDone;
  }
  context.out << "key " << found->selector << " of " << domain << " is "
              << account::domain_key_state_name(to) << '\n';
  if (to == DomainKeyState::Retiring) {
    context.out << "Leave " << found->record_name()
                << " published until `ekiden dkim list` says retired: seven days past its last "
                   "signature.\n";
  }
  return kDone;
}

}  // namespace ekiden::cli
