#include "ekiden/cli/dkim_commands.hpp"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <ostream>

#include "ekiden/account/shapes.hpp"
#include "ekiden/auth/signing_keys.hpp"
#include "ekiden/auth/tag_list.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/cli/store_answers.hpp"

namespace ekiden::cli {

namespace json = boost::json;
using account::DomainKey;
using account::DomainKeyState;

namespace {

auth::SigningKeys keys_of(UserContext& context) {
  return {context.store, context.node_key, context.random, context.author};
}

/// Says why it was not done. `what`: what the store was asked about.
int report_keys(UserContext& context, const std::string& domain, const auth::KeysDone& done) {
  using auth::KeyRefusal;
  switch (done.refusal) {
    case KeyRefusal::UsedSelector:
      return refuse(context, done.selector,
                    "the domain has or had this selector; one is never used again");
    case KeyRefusal::TooManyToday:
      return refuse(context, domain, "too many keys for one day");
    case KeyRefusal::IsPending:
      return refuse(context, done.selector,
                    "waits for its record to be seen: publish it, or `ekiden dkim retire` it");
    case KeyRefusal::NothingSigns:
      return refuse(context, domain, "no key signs for it; `ekiden dkim keygen` makes one");
    case KeyRefusal::NoSuchSelector:
      return refuse(context, done.selector, "the domain has no such selector");
    case KeyRefusal::IsOver:
      return refuse(context, done.selector,
                    "is " + std::string(account::domain_key_state_name(done.keys.front().state)) +
                        " already");
    case KeyRefusal::IsLast:
      return refuse(context, done.selector,
                    "is the domain's last key, without it mail leaves unsigned: `ekiden dkim "
                    "rotate` first, or give --force");
    case KeyRefusal::CannotBeMade:
      return refuse(context, domain, "no key could be made", kFailed);
    case KeyRefusal::StoreFailed:
    case KeyRefusal::None:
      break;
  }
  return report(context, domain, done.error);
}

void show_made(const DomainKey& key, UserContext& context) {
  if (context.is_json) {
    context.out << json::serialize(account::to_json(key)) << '\n';
    return;
  }
  context.out << "key " << key.selector << " of " << key.domain << " made ("
              << (key.type == "rsa" ? "RSA, " + std::to_string(key.bits) + " bits" : "Ed25519")
              << ")\n\nPublish this record; the key signs as soon as the relay sees it:\n\n"
              << account::zone_line(key) << '\n';
}

bool domain_of(const std::string& given, std::string& domain, UserContext& context) {
  const auto sdid = auth::signing_domain(given);
  if (!sdid) {
    refuse(context, given, "is no domain that mail can be signed for", kUsage);
    return false;
  }
  domain = *sdid;
  return true;
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
  if (!options.ed25519 &&
      (options.bits < auth::kMadeRsaBitsMin || options.bits > auth::kMadeRsaBitsMax)) {
    return refuse(context, "--bits", "RSA keys have 2048 to 4096 bits", kUsage);
  }
  wanted.type = options.ed25519 ? "ed25519" : "rsa";
  wanted.bits = options.bits;
  wanted.tenant = options.tenant;
  const std::string tenant = wanted.tenant;
  const auth::KeysDone made = keys_of(context).make(std::move(wanted));
  if (!made.ok()) return report_keys(context, tenant.empty() ? options.domain : tenant, made);
  show_made(made.keys.front(), context);
  return kDone;
}

int dkim_list(const std::string& given, UserContext& context) {
  std::string domain;
  if (!given.empty() && !domain_of(given, domain, context)) return kUsage;
  const auto keys = context.store.domain_keys(domain);
  if (!keys) return report(context, "dkim list", keys.error());
  if (context.is_json) {
    json::array list;
    for (const DomainKey& key : *keys) list.push_back(account::to_json(key));
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
      context.out << "  waits to be seen as: " << account::zone_line(key) << '\n';
    }
  }
  return kDone;
}

int dkim_rotate(const std::string& given, UserContext& context) {
  std::string domain;
  if (!domain_of(given, domain, context)) return kUsage;
  const auth::KeysDone made = keys_of(context).rotate(domain);
  if (!made.ok()) return report_keys(context, domain, made);
  for (const DomainKey& key : made.keys) show_made(key, context);
  return kDone;
}

int dkim_retire(const DkimRetireOptions& options, UserContext& context) {
  std::string domain;
  if (!domain_of(options.domain, domain, context)) return kUsage;
  const auth::KeysDone done = keys_of(context).retire(domain, options.selector, options.force);
  if (!done.ok()) return report_keys(context, domain, done);
  const DomainKey& key = done.keys.front();
  const DomainKeyState to = key.state;
  if (context.is_json) {
    context.out << json::serialize(json::object{{"domain", domain},
                                                {"selector", key.selector},
                                                {"state", account::domain_key_state_name(to)}})
                << '\n';
    return kDone;
  }
  context.out << "key " << key.selector << " of " << domain << " is "
              << account::domain_key_state_name(to) << '\n';
  if (to == DomainKeyState::Retiring) {
    context.out << "Leave " << key.record_name()
                << " published until `ekiden dkim list` says retired: seven days past its last "
                   "signature.\n";
  }
  return kDone;
}

}  // namespace ekiden::cli
