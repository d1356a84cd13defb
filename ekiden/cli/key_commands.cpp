#include "ekiden/cli/key_commands.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <optional>
#include <ostream>

#include "ekiden/account/shapes.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/cli/store_answers.hpp"
#include "ekiden/config/units.hpp"
#include "ekiden/message/trace.hpp"
#include "ekiden/smtp/address.hpp"

namespace ekiden::cli {
namespace {

namespace json = boost::json;
using account::ApiKey;
using account::Errc;

std::string words(const std::vector<std::string>& items) {
  std::string out;
  for (const std::string& item : items) out += (out.empty() ? "" : ",") + item;
  return out.empty() ? "any" : out;
}

std::vector<std::string> texts(const std::vector<net::AddressBlock>& blocks) {
  std::vector<std::string> out;
  for (const net::AddressBlock& block : blocks) out.push_back(block.text());
  return out;
}

std::string all_scopes() {
  std::string out;
  for (const std::string_view scope : account::key_scopes()) {
    out += (out.empty() ? "" : ", ") + std::string(scope);
  }
  return out;
}

/// "30d" from `now`, or a date.
std::optional<base::Time> parse_expiry(const std::string& text, base::Time now) {
  if (const auto duration = config::parse_duration(text)) return now + *duration;
  return message::parse_date(text);
}

std::string expiry_text(const ApiKey& key) {
  return key.credential.expires == base::Time{} ? std::string("never")
                                                : base::format_rfc3339(key.credential.expires);
}

}  // namespace

int key_create(const KeyCreateOptions& options, UserContext& context) {
  ApiKey key;
  key.name = options.name;
  key.scopes = options.scopes;
  key.role = options.is_read_only ? account::KeyRole::ReadOnly : account::KeyRole::Full;
  account::Credential& credential = key.credential;
  credential.tenant = options.tenant;
  credential.stream = options.stream;
  credential.streams = options.streams;
  for (const std::string& scope : options.scopes) {
    if (!account::is_key_scope(scope))
      return refuse(context, scope, "is no scope; there are " + all_scopes(), kUsage);
    if (!account::may_have_scope(key.role, scope))
      return refuse(context, scope, "changes things; a read-only key cannot have it", kUsage);
  }
  if (const auto status =
          read_restrictions(options.sender_domains, options.networks, context, credential))
    return *status;
  if (!options.expires.empty()) {
    const auto expires = parse_expiry(options.expires, context.author.now);
    if (!expires) {
      return refuse(context, options.expires,
                    "is neither a time from now, such as 90d, nor a date, such as "
                    "2027-01-01T00:00:00Z",
                    kUsage);
    }
    if (*expires <= context.author.now)
      return refuse(context, options.expires, "is in the past", kUsage);
    credential.expires = *expires;
  }
  const account::MadeApiKey made =
      account::make_api_key(options.name, context.node_key, context.random);
  credential.key_hash = made.key_hash;
  key.blastengine_hash = made.blastengine_hash;
  const auto added = context.store.add_api_key(key, context.author);
  if (!added) {
    if (added.error() == Errc::UnknownTenant) {
      return refuse(context, options.tenant,
                    "no such tenant; `ekiden tenant add " + options.tenant + "` makes it");
    }
    const bool is_label = added.error() == Errc::BadLabel;
    return report(context, is_label ? options.tenant + ", " + options.stream : options.name,
                  added.error());
  }
  if (context.is_json) {
    context.out << json::serialize(json::object{{"name", options.name},
                                                {"id", *added},
                                                {"identity", account::api_key_identity(*added)},
                                                {"key", made.secret}})
                << '\n';
    return kDone;
  }
  context.out << "key " << options.name << " created, for tenant " << options.tenant
              << ". It is shown only this once:\n"
              << made.secret << '\n';
  return kDone;
}

int key_list(const std::string& tenant, UserContext& context) {
  const auto keys = context.store.api_keys(tenant);
  if (!keys) return report(context, tenant.empty() ? "key list" : tenant, keys.error());
  json::array list;
  for (const ApiKey& key : *keys) {
    const account::Credential& c = key.credential;
    const std::string expires = expiry_text(key);
    if (!context.is_json) {
      context.out << key.name << "  id=" << key.id << " tenant=" << c.tenant
                  << " stream=" << c.stream << " role=" << account::key_role_name(key.role)
                  << " scopes=" << words(key.scopes) << " streams=" << words(c.streams)
                  << " sender-domains=" << words(c.sender_domains)
                  << " networks=" << words(texts(c.networks)) << " expires=" << expires
                  << (key.is_expired(context.author.now) ? " (over)" : "") << '\n';
      continue;
    }
    list.push_back(account::to_json(key));
  }
  if (context.is_json) {
    context.out << json::serialize(json::object{{"keys", std::move(list)}}) << '\n';
  } else if (keys->empty()) {
    context.out << "no keys\n";
  }
  return kDone;
}

int key_revoke(const std::string& name, UserContext& context) {
  const auto removed = context.store.remove_api_key(name, context.author);
  if (!removed) return report(context, name, removed.error());
  if (context.is_json) {
    context.out << json::serialize(json::object{{"name", name}, {"done", "revoked"}}) << '\n';
  } else {
    context.out << "key " << base::printable(name) << " revoked\n";
  }
  return kDone;
}

}  // namespace ekiden::cli
