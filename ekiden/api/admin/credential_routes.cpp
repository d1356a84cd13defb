// /v1/credentials: who logs in over SMTP with a name of its own.
#include "ekiden/account/shapes.hpp"
#include "ekiden/api/admin/grant.hpp"
#include "ekiden/api/admin/limits.hpp"
#include "ekiden/api/admin/routes.hpp"
#include "ekiden/base/percent.hpp"
#include "ekiden/base/text.hpp"

namespace ekiden::api::admin {
namespace {

namespace json = boost::json;
using account::Credential;

std::optional<Credential> find(StoreCall& on, std::optional<Problem>& problem) {
  const std::string name(on.call.path.get("name"));
  const auto all = on.store.list();
  if (!all) {
    problem = problem_of(all.error(), name);
    return std::nullopt;
  }
  for (const Credential& credential : *all)
    if (credential.name == name && on.may_see(credential.tenant)) return credential;
  problem = no_such("credential " + name);
  return std::nullopt;
}

Result<json::object> describe(StoreCall& on, const Credential& credential) {
  json::object object = account::to_json(credential);
  const auto limits = on.store.credential_limits(credential.name);
  if (!limits) return limits.error();
  const auto usage = on.store.usage(true, credential.name);
  if (!usage) return usage.error();
  object["limits"] = *limits ? json::value(account::to_json(**limits)) : json::value(nullptr);
  object["sent_today"] = account::current(usage->day, account::day_of(on.now()));
  object["sent_this_month"] = account::current(usage->month, account::month_of(on.now()));
  return object;
}

Answer show_credential(StoreCall& on, const Credential& credential) {
  const auto object = describe(on, credential);
  if (!object) return problem_of(object.error(), credential.name);
  return *object;
}

Answer list(StoreCall& on) {
  if (auto wrong = check_query(on.call, {"tenant", "limit", "cursor"})) return *wrong;
  const Chosen chosen = on.tenant_to_see();
  if (chosen.problem) return *chosen.problem;
  const auto all = on.store.list(chosen.tenant);
  if (!all) return problem_of(all.error(), "tenant " + chosen.tenant);
  return list_page(
      on, "credentials", *all, [](const Credential& one) { return one.name; },
      [](const Credential& one) { return account::to_json(one); });
}

struct Wanted {
  std::optional<std::string> password;
  bool scram = false, api_key = false;
};

Wanted read_secrets(Fields& fields) {
  Wanted wanted;
  wanted.password = fields.text("password");
  wanted.scram = fields.flag("scram").value_or(false);
  wanted.api_key = fields.flag("api_key").value_or(false);
  if (wanted.scram && !wanted.password)
    fields.wrong("scram", "bad_value", {"it needs a password", "passwordが必要です"});
  if (wanted.password) {
    if (const auto checked = account::check_password(*wanted.password); !checked)
      fields.wrong(
          "password", "bad_value",
          {checked.error().message(), "パスワードは制御文字を含まない8〜1024オクテットです"});
  }
  return wanted;
}

struct Made {
  account::Secrets kept;
  std::string api_key;  ///< shown once
  std::optional<Problem> problem;
};

/// Slow: a password costs what its function costs.
Made make_secrets(Wanted wanted, StoreCall& on) {
  Made made;
  if (wanted.password) {
    const account::Secret password(std::move(*wanted.password));
    auto encoded = account::hash_password(
        password.view(), {on.settings->passwords.iterations, on.settings->passwords.memory});
    if (!encoded) {
      made.problem = problem_of(encoded.error(), "password");
      return made;
    }
    made.kept.argon2id = std::move(*encoded);
    if (wanted.scram) made.kept.scram = account::make_scram_keys(password.view(), on.random);
  }
  if (wanted.api_key) {
    made.api_key = account::make_api_key(on.random);
    made.kept.key_hash = account::hash_api_key(on.node_key, made.api_key);
  }
  return made;
}

/// What a key without it may give nobody.
std::optional<Problem> check_may_grant(const StoreCall& on) {
  return check_scope(on.caller(), "messages:send");
}

/// "ab:CD…" as "abcd…".
std::string plain_hex(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c != ':') out += base::to_lower(c);
  }
  return out;
}

Answer create(StoreCall& on) {
  if (auto refused = check_may_grant(on)) return *refused;
  ReadBody body(on.call.request);
  if (body.problem) return *body.problem;
  Fields& fields = body.fields;
  const std::string name = fields.required("name");
  Credential credential = read_grant(fields, on.caller());
  credential.name = name;
  const std::string tenant = fields.text("tenant").value_or("");
  credential.certificate_sha256 = plain_hex(fields.text("certificate_sha256").value_or(""));
  Wanted wanted = read_secrets(fields);
  if (!wanted.password && !wanted.api_key && credential.certificate_sha256.empty())
    fields.wrong("password", "required",
                 {"a password, \"api_key\": true or certificate_sha256",
                  "password、\"api_key\": true、certificate_sha256のいずれかが必要です"});
  if (auto wrong = body.finish()) return *wrong;
  const Chosen chosen = on.tenant_to_change(tenant);
  if (chosen.problem) return *chosen.problem;
  credential.tenant = chosen.tenant;
  // Before anything slow.
  if (const auto named = account::check_user_name(name); !named)
    return problem_of(named.error(), name);
  const Made made = make_secrets(std::move(wanted), on);
  if (made.problem) return *made.problem;
  const auto added = on.store.add(credential, made.kept, on.author);
  if (!added)
    return problem_of(added.error(), added.error() == account::Errc::UnknownTenant
                                         ? "tenant " + chosen.tenant
                                         : "credential " + name);
  credential.argon2id = made.kept.argon2id;
  credential.key_hash = made.kept.key_hash;
  credential.scram_stored_key = made.kept.scram.stored_key;
  auto object = describe(on, credential);
  if (!object) return problem_of(object.error(), name);
  if (!made.api_key.empty()) (*object)["api_key"] = made.api_key;
  return created(*object, "/v1/credentials/" + base::percent_encoded(name, "@"));
}

Answer show(StoreCall& on) {
  if (auto wrong = check_query(on.call, {})) return *wrong;
  std::optional<Problem> problem;
  const auto credential = find(on, problem);
  if (!credential) return *problem;
  return show_credential(on, *credential);
}

/// A new secret in the place of all that there were.
Answer set_secret(StoreCall& on) {
  if (auto refused = check_may_grant(on)) return *refused;
  ReadBody body(on.call.request);
  if (body.problem) return *body.problem;
  Wanted wanted = read_secrets(body.fields);
  if (!wanted.password && !wanted.api_key)
    body.fields.wrong(
        "password", "required",
        {"a password, or \"api_key\": true", "passwordか\"api_key\": trueが必要です"});
  if (auto wrong = body.finish()) return *wrong;
  std::optional<Problem> problem;
  const auto credential = find(on, problem);
  if (!credential) return *problem;
  const Made made = make_secrets(std::move(wanted), on);
  if (made.problem) return *made.problem;
  const auto set = on.store.set_secrets(credential->name, made.kept, on.author);
  if (!set) return problem_of(set.error(), "credential " + credential->name);
  json::object object{{"name", credential->name}};
  if (!made.api_key.empty()) object["api_key"] = made.api_key;
  return object;
}

/// Limits of its own, or with null those that the tenant has for each.
Answer set_limits(StoreCall& on) {
  ReadBody body(on.call.request);
  if (body.problem) return *body.problem;
  const json::object* given = body.fields.object("limits");
  if (!body.fields.has("limits"))
    body.fields.wrong("limits", "required", {"an object, or null", "オブジェクト、またはnullです"});
  std::optional<account::Limits> limits;
  if (given != nullptr) {
    limits.emplace();
    read_limits(*given, "/limits", body.findings, *limits);
  }
  if (auto wrong = body.finish()) return *wrong;
  std::optional<Problem> problem;
  const auto credential = find(on, problem);
  if (!credential) return *problem;
  const auto set = on.store.set_credential_limits(credential->name, limits, on.author);
  if (!set) return problem_of(set.error(), "credential " + credential->name);
  return show_credential(on, *credential);
}

Answer remove(StoreCall& on) {
  if (auto wrong = check_query(on.call, {})) return *wrong;
  std::optional<Problem> problem;
  const auto credential = find(on, problem);
  if (!credential) return *problem;
  const auto removed = on.store.remove(credential->name, on.author);
  if (!removed) return problem_of(removed.error(), "credential " + credential->name);
  return no_content();
}

}  // namespace

void add_credential_routes(Frame& frame, StoreDesk& desk) {
  const Access read{"credentials:read"}, write{"credentials:write"};
  desk.add(frame, "GET", "/v1/credentials", read, list);
  desk.add(frame, "POST", "/v1/credentials", write, create);
  desk.add(frame, "GET", "/v1/credentials/{name}", read, show);
  desk.add(frame, "POST", "/v1/credentials/{name}/secret", write, set_secret);
  Access for_operators = write;
  for_operators.needs_operator = true;
  desk.add(frame, "PUT", "/v1/credentials/{name}/limits", for_operators, set_limits);
  desk.add(frame, "DELETE", "/v1/credentials/{name}", write, remove);
}

}  // namespace ekiden::api::admin
