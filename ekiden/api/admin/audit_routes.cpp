// /v1/audit: who changed what. It is of the whole node, so only operators read it.
#include "ekiden/account/shapes.hpp"
#include "ekiden/api/admin/routes.hpp"
#include "ekiden/api/fields.hpp"
#include "ekiden/base/text.hpp"

namespace ekiden::api::admin {
namespace {

namespace json = boost::json;

/// Entries that one filtered page looks at; then it ends early, with `next`.
constexpr std::size_t kLookedAtMax = 50'000;

Answer list(StoreCall& on) {
  if (auto wrong = check_query(on.call, {"subject", "action", "limit", "cursor"})) return *wrong;
  const PageAsked asked = read_page(on.call);
  if (asked.problem) return *asked.problem;
  std::uint64_t before = INT64_MAX;
  if (!asked.cursor.empty()) {
    const auto id = base::parse_u64(asked.cursor);
    if (!id || *id > INT64_MAX)
      return bad_parameter("cursor", {"this is no cursor", "cursorではありません"});
    before = *id;
  }
  const std::string_view subject = on.call.query.get("subject");
  const std::string_view action = on.call.query.get("action");
  const bool is_filtered = !subject.empty() || !action.empty();
  const std::size_t most = is_filtered ? kLookedAtMax : asked.limit;
  const auto entries = on.store.audit(most, static_cast<std::int64_t>(before));
  if (!entries) return problem_of(entries.error(), "audit log");
  json::array items;
  json::value next = nullptr;
  for (const account::AuditEntry& entry : *entries) {
    if (!subject.empty() && entry.subject != subject) continue;
    if (!action.empty() && !entry.action.starts_with(action)) continue;
    items.push_back(account::to_json(entry));
    if (items.size() < asked.limit) continue;
    next = json::string(std::to_string(entry.id));
    break;
  }
  if (next.is_null() && entries->size() == most)
    next = json::string(std::to_string(entries->back().id));
  return json::object{{"entries", std::move(items)}, {"next", std::move(next)}};
}

/// Whether every entry still fits the one before it, and a hash that was noted is one of them.
Answer verify(StoreCall& on) {
  if (auto wrong = check_query(on.call, {"head"})) return *wrong;
  const std::string head(on.call.query.get("head"));
  const auto check = on.store.check_audit(head);
  if (!check) return problem_of(check.error(), "audit log");
  json::object object = account::to_json(*check);
  if (!head.empty()) {
    object["head_found"] = check->has_head;
    if (!check->has_head) object["intact"] = false;
  }
  return object;
}

}  // namespace

void add_audit_routes(Frame& frame, StoreDesk& desk) {
  Access read{"audit:read"};
  read.needs_operator = true;
  desk.add(frame, "GET", "/v1/audit", read, list);
  desk.add(frame, "GET", "/v1/audit/verify", read, verify);
}

}  // namespace ekiden::api::admin
