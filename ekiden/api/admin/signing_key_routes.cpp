// /v1/dkim: the keys that sign mail.
#include <algorithm>

#include "ekiden/account/shapes.hpp"
#include "ekiden/api/admin/routes.hpp"
#include "ekiden/api/fields.hpp"
#include "ekiden/auth/signing_keys.hpp"
#include "ekiden/auth/tag_list.hpp"
#include "ekiden/base/text.hpp"

namespace ekiden::api::admin {
namespace {

namespace json = boost::json;
using account::DomainKey;
using auth::KeyRefusal;

auth::SigningKeys keys_of(StoreCall& on) {
  return {on.store, on.node_key, on.random, on.author};
}

Problem problem_of_keys(const auth::KeysDone& done, const std::string& domain) {
  const std::string selector = base::printable(done.selector, 100);
  switch (done.refusal) {
    case KeyRefusal::UsedSelector:
      return conflict(
          {domain + " has or had the selector " + selector + "; one is never used again",
           domain + " のセレクタ " + selector + " は使用済みで、再利用できません"});
    case KeyRefusal::TooManyToday:
      return conflict({"too many keys for one day", "1日に作れる鍵の数を超えました"});
    case KeyRefusal::IsPending:
      return conflict(
          {selector + " waits for its record to be seen: publish it, or retire it",
           selector + " はレコードの公開を待っています。公開するか、引退させてください"});
    case KeyRefusal::NothingSigns:
      return conflict({"no key signs for " + domain, domain + " に署名する鍵がありません"});
    case KeyRefusal::NoSuchSelector:
      return no_such("selector " + selector + " of " + domain);
    case KeyRefusal::IsOver:
      return conflict(
          {selector + " is retiring or retired already", selector + " は既に引退しています"});
    case KeyRefusal::IsLast:
      return conflict(
          {selector + " is the domain's last key, without it mail leaves unsigned: "
                      "rotate first, or say \"force\": true",
           selector + " は最後の鍵です。先に更新するか、\"force\": trueを指定してください"});
    case KeyRefusal::CannotBeMade:
      return unavailable({"no key could be made", "鍵を作れませんでした"});
    case KeyRefusal::StoreFailed:
    case KeyRefusal::None:
      break;
  }
  return problem_of(done.error, domain);
}

struct OfDomain {
  std::string domain;
  std::string tenant;  ///< whose keys are meant; empty: an operator, all of them
  std::optional<Problem> problem;
};

/// A tenant's keys are for domains that it has proven are its own.
std::optional<Problem> check_domain(StoreCall& on, const std::string& domain,
                                    const std::string& tenant) {
  if (on.caller().is_operator()) return std::nullopt;
  const auto domains = on.store.sender_domains(tenant);
  if (!domains) return problem_of(domains.error(), domain);
  for (const account::SenderDomain& one : *domains)
    if (one.name == domain && one.is_proven()) return std::nullopt;
  return make_problem(403, "forbidden",
                      {"This tenant has not proven that " + domain + " is its own.",
                       domain + " がこのテナントのものだと証明されていません。"});
}

OfDomain domain_of(StoreCall& on, std::string_view given) {
  OfDomain of;
  const auto domain = auth::signing_domain(given);
  if (!domain) {
    of.problem = bad_parameter("domain", {"this is no domain that mail can be signed for",
                                          "署名できるドメインではありません"});
    return of;
  }
  of.domain = *domain;
  if (!on.caller().is_operator()) of.tenant = on.caller().tenant();
  of.problem = check_domain(on, of.domain, of.tenant);
  return of;
}

Answer list(StoreCall& on) {
  if (auto wrong = check_query(on.call, {"tenant", "domain", "limit", "cursor"})) return *wrong;
  const Chosen chosen = on.tenant_to_see();
  if (chosen.problem) return *chosen.problem;
  std::string domain;
  if (const auto given = on.call.query.find("domain")) {
    const auto canonical = auth::signing_domain(*given);
    if (!canonical) return bad_parameter("domain", {"this is no domain", "ドメインではありません"});
    domain = *canonical;
  }
  auto keys = on.store.domain_keys(domain);
  if (!keys) return problem_of(keys.error(), "keys");
  if (!chosen.tenant.empty())
    std::erase_if(*keys, [&](const DomainKey& key) { return key.tenant != chosen.tenant; });
  std::sort(keys->begin(), keys->end(),
            [](const DomainKey& a, const DomainKey& b) { return a.id < b.id; });
  return list_page(
      on, "keys", *keys, [](const DomainKey& key) { return sortable(key.id); },
      [](const DomainKey& key) { return account::to_json(key); });
}

Answer create(StoreCall& on) {
  ReadBody body(on.call.request);
  if (body.problem) return *body.problem;
  Fields& fields = body.fields;
  const std::string given = fields.required("domain");
  DomainKey wanted;
  if (const auto selector = fields.text("selector")) {
    const auto parsed = auth::parse_selector(*selector);
    if (!parsed)
      fields.wrong("selector", "bad_value", {"this is no selector", "セレクタではありません"});
    wanted.selector = parsed.value_or("");
  }
  wanted.type = fields.text("type").value_or("rsa");
  if (wanted.type != "rsa" && wanted.type != "ed25519")
    fields.wrong("type", "bad_value", {"either rsa or ed25519", "rsaかed25519です"});
  const auto bits = fields.number("bits", auth::kMadeRsaBitsMax);
  wanted.bits = static_cast<std::uint32_t>(bits.value_or(auth::kMadeRsaBitsMin));
  if (wanted.bits < auth::kMadeRsaBitsMin)
    fields.wrong("bits", "bad_value", {"2048 to 4096", "2048から4096までです"});
  const std::string tenant = fields.text("tenant").value_or("");
  if (auto wrong = body.finish()) return *wrong;
  const OfDomain of = domain_of(on, given);
  if (of.problem) return *of.problem;
  const Chosen chosen = on.tenant_to_change(tenant);
  if (chosen.problem) return *chosen.problem;
  wanted.domain = of.domain;
  // An operator's key that names no tenant makes one that signs everybody's mail.
  wanted.tenant = on.caller().is_operator() ? tenant : chosen.tenant;
  const auth::KeysDone made = keys_of(on).make(std::move(wanted));
  if (!made.ok()) return problem_of_keys(made, of.domain);
  const DomainKey& key = made.keys.front();
  return created(account::to_json(key), "/v1/dkim?domain=" + key.domain);
}

Answer rotate(StoreCall& on) {
  const OfDomain of = domain_of(on, on.call.path.get("domain"));
  if (of.problem) return *of.problem;
  const auth::KeysDone made = keys_of(on).rotate(of.domain, of.tenant);
  if (!made.ok()) return problem_of_keys(made, of.domain);
  json::array keys;
  for (const DomainKey& key : made.keys) keys.push_back(account::to_json(key));
  return Answer(json_response(201, json::object{{"keys", std::move(keys)}}));
}

Answer retire(StoreCall& on) {
  ReadBody body(on.call.request, true);
  const bool is_forced = body.fields.flag("force").value_or(false);
  if (auto wrong = body.finish()) return *wrong;
  const OfDomain of = domain_of(on, on.call.path.get("domain"));
  if (of.problem) return *of.problem;
  const auth::KeysDone done =
      keys_of(on).retire(of.domain, on.call.path.get("selector"), is_forced, of.tenant);
  if (!done.ok()) return problem_of_keys(done, of.domain);
  return account::to_json(done.keys.front());
}

}  // namespace

void add_signing_key_routes(Frame& frame, StoreDesk& desk) {
  const Access read{"domains:read"}, write{"domains:write"};
  desk.add(frame, "GET", "/v1/dkim", read, list);
  desk.add(frame, "POST", "/v1/dkim", write, create);
  desk.add(frame, "POST", "/v1/dkim/{domain}/rotate", write, rotate);
  desk.add(frame, "POST", "/v1/dkim/{domain}/{selector}/retire", write, retire);
}

}  // namespace ekiden::api::admin
