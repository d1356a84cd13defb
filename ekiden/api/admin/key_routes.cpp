// /v1/keys.
#include <algorithm>

#include "ekiden/account/shapes.hpp"
#include "ekiden/api/admin/grant.hpp"
#include "ekiden/api/admin/routes.hpp"
#include "ekiden/base/percent.hpp"
#include "ekiden/base/text.hpp"

namespace ekiden::api::admin {
namespace {

namespace json = boost::json;
using account::ApiKey;

/// What the caller may know of: keys of its tenant, but those of operators only as one.
bool may_see(const StoreCall& on, const ApiKey& key) {
  return on.caller().is_operator() ||
         (key.credential.tenant == on.caller().tenant() && !key.is_operator());
}

std::optional<ApiKey> find(StoreCall& on, std::optional<Problem>& problem) {
  const std::string name(on.call.path.get("name"));
  const auto keys = on.store.api_keys();
  if (!keys) {
    problem = problem_of(keys.error(), name);
    return std::nullopt;
  }
  for (const ApiKey& key : *keys)
    if (key.name == name && may_see(on, key)) return key;
  problem = no_such("key " + name);
  return std::nullopt;
}

Answer list(StoreCall& on) {
  if (auto wrong = check_query(on.call, {"tenant", "limit", "cursor"})) return *wrong;
  const Chosen chosen = on.tenant_to_see();
  if (chosen.problem) return *chosen.problem;
  auto keys = on.store.api_keys(chosen.tenant);
  if (!keys) return problem_of(keys.error(), "tenant " + chosen.tenant);
  std::erase_if(*keys, [&](const ApiKey& key) { return !may_see(on, key); });
  return list_page(
      on, "keys", *keys, [](const ApiKey& key) { return key.name; },
      [](const ApiKey& key) { return account::to_json(key); });
}

/// The scopes of a new key: what is asked for, or what the caller's own key names.
void read_scopes(Fields& fields, const ApiKey& own, ApiKey& key) {
  const auto role = fields.text("role");
  if (role && *role != account::key_role_name(account::KeyRole::Full) &&
      *role != account::key_role_name(account::KeyRole::ReadOnly)) {
    fields.wrong("role", "bad_value", {"either full or read-only", "fullかread-onlyです"});
  }
  key.role = own.role;
  if (role && *role == account::key_role_name(account::KeyRole::ReadOnly))
    key.role = account::KeyRole::ReadOnly;
  const auto scopes = fields.texts("scopes");
  key.scopes = scopes.value_or(own.scopes);
  if (!scopes) {
    // A right over all tenants is given by name only.
    std::erase(key.scopes, std::string(account::kOperatorScope));
    if (key.role == account::KeyRole::ReadOnly)
      std::erase_if(key.scopes, [&](const std::string& scope) {
        return !account::may_have_scope(key.role, scope);
      });
  }
  if (key.scopes.empty() && !own.scopes.empty() &&
      own.scopes != std::vector<std::string>{std::string(account::kOperatorScope)})
    fields.wrong("scopes", "not_granted",
                 {"this key has some scopes only, so name those of the new one",
                  "このキーのスコープは限られているため、新しいキーのスコープを指定してください"});
  for (const std::string& scope : key.scopes) {
    const std::string name = base::printable(scope, 60);
    if (!account::is_key_scope(scope)) {
      fields.wrong("scopes", "bad_value",
                   {"there is no scope " + name, "スコープ " + name + " はありません"});
    } else if (!own.allows(scope)) {
      fields.wrong("scopes", "not_granted",
                   {"this key itself does not have the scope " + name,
                    "このキー自身にスコープ " + name + " がありません"});
    } else if (!account::may_have_scope(key.role, scope)) {
      fields.wrong("scopes", "bad_value",
                   {name + " changes things; a read-only key cannot have it",
                    name + " は変更を行うため、read-onlyのキーには付けられません"});
    }
  }
}

Answer create(StoreCall& on) {
  ReadBody body(on.call.request);
  if (body.problem) return *body.problem;
  Fields& fields = body.fields;
  const ApiKey& own = *on.caller().key;
  ApiKey key;
  key.name = fields.required("name");
  key.credential = read_grant(fields, on.caller());
  read_scopes(fields, own, key);
  const std::string tenant = fields.text("tenant").value_or("");
  if (const auto expires = fields.instant("expires", on.now())) {
    key.credential.expires = *expires;
    if (*expires <= on.now())
      fields.wrong("expires", "bad_value", {"this is in the past", "過去の日時です"});
  } else {
    key.credential.expires = own.credential.expires;
  }
  const base::Time last = own.credential.expires;
  if (last != base::Time{} && key.credential.expires > last)
    fields.wrong("expires", "not_granted",
                 {"this key itself ends before that", "このキー自身の期限を超えます"});
  if (auto wrong = body.finish()) return *wrong;
  const Chosen chosen = on.tenant_to_change(tenant);
  if (chosen.problem) return *chosen.problem;
  key.credential.tenant = chosen.tenant;
  const account::MadeApiKey made = account::make_api_key(key.name, on.node_key, on.random);
  key.credential.key_hash = made.key_hash;
  key.blastengine_hash = made.blastengine_hash;
  const auto added = on.store.add_api_key(key, on.author);
  if (!added)
    return problem_of(added.error(), added.error() == account::Errc::UnknownTenant
                                         ? "tenant " + chosen.tenant
                                         : "key " + key.name);
  key.id = *added;
  key.created = on.now();
  json::object object = account::to_json(key);
  object["key"] = made.secret;
  return created(object, "/v1/keys/" + base::percent_encoded(key.name, "@"));
}

Answer show(StoreCall& on) {
  if (auto wrong = check_query(on.call, {})) return *wrong;
  std::optional<Problem> problem;
  const auto key = find(on, problem);
  if (!key) return *problem;
  return account::to_json(*key);
}

Answer revoke(StoreCall& on) {
  if (auto wrong = check_query(on.call, {})) return *wrong;
  std::optional<Problem> problem;
  const auto key = find(on, problem);
  if (!key) return *problem;
  const auto removed = on.store.remove_api_key(key->name, on.author);
  if (!removed) return problem_of(removed.error(), "key " + key->name);
  return no_content();
}

}  // namespace

void add_key_routes(Frame& frame, StoreDesk& desk) {
  const Access read{"keys:read"}, write{"keys:write"};
  desk.add(frame, "GET", "/v1/keys", read, list);
  desk.add(frame, "POST", "/v1/keys", write, create);
  desk.add(frame, "GET", "/v1/keys/{name}", read, show);
  desk.add(frame, "DELETE", "/v1/keys/{name}", write, revoke);
}

}  // namespace ekiden::api::admin
