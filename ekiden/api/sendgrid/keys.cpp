// /v3/scopes, /v3/api_keys: what the key may do, and the tenant's keys, by SendGrid's names.
#include <algorithm>

#include "ekiden/api/json_fields.hpp"
#include "ekiden/api/sendgrid/mail_send.hpp"
#include "ekiden/api/sendgrid/routes.hpp"

namespace ekiden::api::sendgrid {
namespace {

namespace json = boost::json;
using account::ApiKey;

/// SendGrid's scopes beside ours. One of ours may stand for several.
constexpr std::pair<std::string_view, std::string_view> kScopes[] = {
    {"mail.send", "messages:send"},
    {"mail.batch.create", "messages:send"},
    {"user.scheduled_sends.create", "messages:cancel"},
    {"user.scheduled_sends.read", "messages:read"},
    {"user.scheduled_sends.update", "messages:cancel"},
    {"user.scheduled_sends.delete", "messages:cancel"},
    {"messages.read", "messages:read"},
    {"stats.read", "stats:read"},
    {"categories.stats.read", "stats:read"},
    {"categories.stats.sums.read", "stats:read"},
    {"mailbox_providers.stats.read", "stats:read"},
    {"suppression.read", "suppressions:read"},
    {"suppression.bounces.read", "suppressions:read"},
    {"suppression.blocks.read", "suppressions:read"},
    {"suppression.invalid_emails.read", "suppressions:read"},
    {"suppression.spam_reports.read", "suppressions:read"},
    {"suppression.unsubscribes.read", "suppressions:read"},
    {"suppression.create", "suppressions:write"},
    {"suppression.delete", "suppressions:write"},
    {"suppression.bounces.delete", "suppressions:write"},
    {"suppression.blocks.delete", "suppressions:write"},
    {"suppression.spam_reports.delete", "suppressions:write"},
    {"asm.groups.read", "suppressions:read"},
    {"asm.groups.create", "suppressions:write"},
    {"asm.groups.update", "suppressions:write"},
    {"asm.groups.delete", "suppressions:write"},
    {"user.webhooks.event.settings.read", "webhooks:read"},
    {"user.webhooks.event.settings.create", "webhooks:write"},
    {"user.webhooks.event.settings.update", "webhooks:write"},
    {"user.webhooks.event.settings.delete", "webhooks:write"},
    {"user.webhooks.event.test.create", "webhooks:write"},
    {"templates.read", "templates:read"},
    {"templates.create", "templates:write"},
    {"templates.update", "templates:write"},
    {"templates.delete", "templates:write"},
    {"api_keys.read", "keys:read"},
    {"api_keys.create", "keys:write"},
    {"api_keys.delete", "keys:write"},
    {"whitelabel.read", "domains:read"},
    {"whitelabel.create", "domains:write"},
    {"whitelabel.update", "domains:write"},
    {"whitelabel.delete", "domains:write"},
};

json::array scopes_of(const ApiKey& key) {
  json::array scopes;
  for (const auto& [theirs, ours] : kScopes)
    if (key.allows(ours)) scopes.push_back(json::string(json::string_view(theirs)));
  return scopes;
}

Answer list_scopes(StoreCall& on) {
  return json::object{{"scopes", scopes_of(*on.caller().key)}};
}

json::object describe(const ApiKey& key) {
  return {{"name", key.name}, {"api_key_id", std::to_string(key.id)}};
}

Result<std::vector<ApiKey>> keys_of(StoreCall& on) {
  auto keys = on.store.api_keys(on.caller().tenant());
  if (keys && !on.caller().is_operator())
    std::erase_if(*keys, [](const ApiKey& key) { return key.is_operator(); });
  return keys;
}

Answer list(StoreCall& on) {
  const auto keys = keys_of(on);
  if (!keys) return problem_of(keys.error(), "api_keys");
  json::array result;
  for (const ApiKey& key : *keys) result.push_back(describe(key));
  return json::object{{"result", std::move(result)}};
}

std::optional<ApiKey> find(StoreCall& on, std::optional<Problem>& problem) {
  const std::string_view id = on.call.path.get("id");
  const auto keys = keys_of(on);
  if (!keys) {
    problem = problem_of(keys.error(), "api_keys");
    return std::nullopt;
  }
  for (const ApiKey& key : *keys)
    if (std::to_string(key.id) == id) return key;
  problem = no_such("API key " + std::string(id));
  return std::nullopt;
}

Answer show(StoreCall& on) {
  std::optional<Problem> problem;
  const auto key = find(on, problem);
  if (!key) return *problem;
  json::object object = describe(*key);
  object["scopes"] = scopes_of(*key);
  return object;
}

/// The new key is limited as the one that makes it, and by the scopes that are named.
Answer create(StoreCall& on) {
  JsonBody body = read_json_body(on.call.request);
  if (body.problem) return *body.problem;
  const ApiKey& own = *on.caller().key;
  ApiKey key;
  key.name = text_of(body.object, "name");
  if (key.name.empty()) return bad_request("name", {"missing required argument", "nameは必須です"});
  key.credential = own.credential;
  key.role = own.role;
  key.scopes = own.scopes;
  std::erase(key.scopes, std::string(account::kOperatorScope));
  if (const json::array* wanted = array_of(body.object, "scopes")) {
    key.scopes.clear();
    for (const json::value& value : *wanted) {
      const std::string name = text_of(value);
      const auto* const known = std::find_if(std::begin(kScopes), std::end(kScopes),
                                             [&](const auto& pair) { return pair.first == name; });
      if (known == std::end(kScopes) || !own.allows(known->second))
        return bad_request("scopes", {"one or more of the scopes may not be granted by this key",
                                      "このキーでは付与できないスコープがあります"});
      if (std::find(key.scopes.begin(), key.scopes.end(), known->second) == key.scopes.end())
        key.scopes.emplace_back(known->second);
    }
    if (key.scopes.empty())
      return bad_request("scopes", {"at least one scope is required", "スコープが必要です"});
  }
  const account::MadeApiKey made = account::make_api_key(key.name, on.node_key, on.random);
  key.credential.key_hash = made.key_hash;
  key.blastengine_hash = made.blastengine_hash;
  const auto added = on.store.add_api_key(key, on.author);
  if (!added) return problem_of(added.error(), "API key " + key.name);
  key.id = *added;
  json::object object = describe(key);
  object["api_key"] = made.secret;
  object["scopes"] = scopes_of(key);
  return Answer(json_response(201, object));
}

Answer remove(StoreCall& on) {
  std::optional<Problem> problem;
  const auto key = find(on, problem);
  if (!key) return *problem;
  const auto removed = on.store.remove_api_key(key->name, on.author);
  if (!removed) return problem_of(removed.error(), "API key " + key->name);
  return no_content();
}

}  // namespace

void add_key_routes(Frame& frame, StoreDesk& desk) {
  const Access read{"keys:read"}, write{"keys:write"};
  desk.add(frame, "GET", "/v3/scopes", Access{}, list_scopes, tell);
  desk.add(frame, "GET", "/v3/api_keys", read, list, tell);
  desk.add(frame, "POST", "/v3/api_keys", write, create, tell);
  desk.add(frame, "GET", "/v3/api_keys/{id}", read, show, tell);
  desk.add(frame, "DELETE", "/v3/api_keys/{id}", write, remove, tell);
}

}  // namespace ekiden::api::sendgrid
