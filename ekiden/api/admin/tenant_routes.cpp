// /v1/tenants: an operator's, but for what a tenant may see of itself, and its streams.
#include <algorithm>

#include "ekiden/account/shapes.hpp"
#include "ekiden/api/admin/limits.hpp"
#include "ekiden/api/admin/routes.hpp"
#include "ekiden/smtp/address.hpp"

namespace ekiden::api::admin {
namespace {

namespace json = boost::json;
using account::Stream;
using account::Tenant;
using account::TenantSettings;

/// The tenant of the path. What another key may not see is not there.
std::optional<Tenant> find(StoreCall& on, std::optional<Problem>& problem) {
  const std::string name(on.call.path.get("tenant"));
  if (!on.may_see(name)) {
    problem = no_such("tenant " + name);
    return std::nullopt;
  }
  auto tenant = on.store.tenant(name);
  if (tenant) return std::move(*tenant);
  problem = problem_of(tenant.error(), "tenant " + name);
  return std::nullopt;
}

Answer describe(StoreCall& on, std::string_view name) {
  const auto object = account::describe_tenant(on.store, name, on.now());
  if (!object) return problem_of(object.error(), "tenant " + std::string(name));
  return *object;
}

Answer list(StoreCall& on) {
  if (auto wrong = check_query(on.call, {"limit", "cursor"})) return *wrong;
  const auto tenants = on.store.tenants();
  if (!tenants) return problem_of(tenants.error(), "tenants");
  return list_page(
      on, "tenants", *tenants, [](const Tenant& one) { return one.name; },
      [](const Tenant& one) {
        return json::object{{"name", one.name},
                            {"created", base::format_rfc3339(one.created)},
                            {"users", one.credentials}};
      });
}

Answer create(StoreCall& on) {
  ReadBody body(on.call.request);
  if (body.problem) return *body.problem;
  const std::string name = body.fields.required("name");
  if (auto wrong = body.finish()) return *wrong;
  const auto added = on.store.add_tenant(name, on.author);
  if (!added) return problem_of(added.error(), "tenant " + name);
  Answer described = describe(on, name);
  if (described.problem) return described;
  described.response.status = 201;
  described.response.headers.emplace_back("Location", "/v1/tenants/" + name);
  return described;
}

Answer show(StoreCall& on) {
  if (auto wrong = check_query(on.call, {})) return *wrong;
  std::optional<Problem> problem;
  const auto tenant = find(on, problem);
  if (!tenant) return *problem;
  return describe(on, tenant->name);
}

/// "example.jp", "*.example.jp".
void read_domains(Fields& fields, TenantSettings& settings) {
  const auto given = fields.texts("sender_domains");
  if (!given) return;
  settings.sender_domains.clear();
  for (const std::string& name : *given) {
    const bool is_below = name.starts_with("*.");
    const auto domain = smtp::canonical_domain(is_below ? name.substr(2) : name);
    if (!domain) {
      fields.wrong("sender_domains", "bad_value",
                   {"domains, or *.domain for all below", "ドメイン、または*.ドメインです"});
      return;
    }
    settings.sender_domains.push_back((is_below ? "*." : "") + *domain);
  }
}

Answer change(StoreCall& on) {
  ReadBody body(on.call.request);
  if (body.problem) return *body.problem;
  std::optional<Problem> problem;
  const auto tenant = find(on, problem);
  if (!tenant) return *problem;
  TenantSettings settings = tenant->settings;
  Fields& fields = body.fields;
  read_domains(fields, settings);
  if (const json::object* limits = fields.object("limits"))
    read_limits(*limits, "/limits", body.findings, settings.limits);
  if (const json::object* limits = fields.object("user_limits"))
    read_limits(*limits, "/user_limits", body.findings, settings.credential_limits);
  settings.requires_proven_domains =
      fields.flag("proven_domains_required").value_or(settings.requires_proven_domains);
  constexpr std::uint64_t kSoftMax = 1000, kDaysMax = 36'500;
  settings.soft_failures = static_cast<std::uint32_t>(
      fields.number("soft_failures", kSoftMax).value_or(settings.soft_failures));
  settings.suppression_days = static_cast<std::uint32_t>(
      fields.number("suppression_days", kDaysMax).value_or(settings.suppression_days));
  if (const auto archive = fields.text("archive");
      archive && !account::read_archive(*archive, settings))
    fields.wrong("archive", "bad_value",
                 {"all, off, or streams with commas between",
                  "all、off、またはカンマ区切りのストリーム名です"});
  if (auto wrong = body.finish()) return *wrong;
  const auto set = on.store.set_tenant(tenant->name, settings, on.author);
  if (!set) return problem_of(set.error(), "tenant " + tenant->name);
  return describe(on, tenant->name);
}

Answer remove(StoreCall& on) {
  if (auto wrong = check_query(on.call, {})) return *wrong;
  const std::string name(on.call.path.get("tenant"));
  const auto removed = on.store.remove_tenant(name, on.author);
  if (!removed) return problem_of(removed.error(), "tenant " + name);
  return no_content();
}

Answer list_streams(StoreCall& on) {
  if (auto wrong = check_query(on.call, {"limit", "cursor"})) return *wrong;
  std::optional<Problem> problem;
  const auto tenant = find(on, problem);
  if (!tenant) return *problem;
  return list_page(
      on, "streams", tenant->settings.streams, [](const Stream& one) { return one.name; },
      [](const Stream& one) { return account::to_json(one); });
}

Answer put_stream(StoreCall& on) {
  ReadBody body(on.call.request, true);
  if (body.problem) return *body.problem;
  Stream stream;
  stream.name = on.call.path.get("stream");
  const std::string kind =
      body.fields.text("kind").value_or(stream.name == "transactional" ? stream.name : "bulk");
  const auto parsed = account::parse_stream_kind(kind);
  if (!parsed)
    body.fields.wrong("kind", "bad_value",
                      {"either transactional or bulk", "transactionalかbulkです"});
  stream.kind = parsed.value_or(stream.kind);
  const auto weight = body.fields.number("weight", account::kStreamWeightMax);
  if (weight && *weight == 0)
    body.fields.wrong("weight", "bad_value", {"1 to 1000", "1から1000までです"});
  stream.weight = static_cast<std::uint32_t>(weight.value_or(1));
  if (auto wrong = body.finish()) return *wrong;
  std::optional<Problem> problem;
  const auto tenant = find(on, problem);
  if (!tenant) return *problem;
  TenantSettings settings = tenant->settings;
  std::erase_if(settings.streams, [&](const Stream& one) { return one.name == stream.name; });
  settings.streams.push_back(stream);
  std::sort(settings.streams.begin(), settings.streams.end(),
            [](const Stream& a, const Stream& b) { return a.name < b.name; });
  const auto set = on.store.set_tenant(tenant->name, settings, on.author);
  if (!set) return problem_of(set.error(), "stream " + stream.name);
  return account::to_json(stream);
}

Answer remove_stream(StoreCall& on) {
  if (auto wrong = check_query(on.call, {})) return *wrong;
  std::optional<Problem> problem;
  const auto tenant = find(on, problem);
  if (!tenant) return *problem;
  const std::string_view name = on.call.path.get("stream");
  TenantSettings settings = tenant->settings;
  if (std::erase_if(settings.streams, [&](const Stream& one) { return one.name == name; }) == 0)
    return no_such("stream " + std::string(name));
  const auto set = on.store.set_tenant(tenant->name, settings, on.author);
  if (!set) return problem_of(set.error(), "tenant " + tenant->name);
  return no_content();
}

}  // namespace

void add_tenant_routes(Frame& frame, StoreDesk& desk) {
  const Access read{"tenants:read"}, write{"tenants:write"};
  Access operators_read = read, operators_write = write;
  operators_read.needs_operator = operators_write.needs_operator = true;
  desk.add(frame, "GET", "/v1/tenants", operators_read, list);
  desk.add(frame, "POST", "/v1/tenants", operators_write, create);
  desk.add(frame, "GET", "/v1/tenants/{tenant}", read, show);
  desk.add(frame, "PATCH", "/v1/tenants/{tenant}", operators_write, change);
  desk.add(frame, "DELETE", "/v1/tenants/{tenant}", operators_write, remove);
  desk.add(frame, "GET", "/v1/tenants/{tenant}/streams", read, list_streams);
  desk.add(frame, "PUT", "/v1/tenants/{tenant}/streams/{stream}", write, put_stream);
  desk.add(frame, "DELETE", "/v1/tenants/{tenant}/streams/{stream}", write, remove_stream);
}

}  // namespace ekiden::api::admin
