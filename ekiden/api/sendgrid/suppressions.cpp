// /v3/suppression: the tenant's suppression list under SendGrid's names.
//
// bounces are addresses that nobody has, blocks those that failed again and again, spam_reports
// complaints, unsubscribes those who left everything. invalid_emails is always empty: what SendGrid
// files there is refused here with the request.
#include <algorithm>

#include "ekiden/api/json_fields.hpp"
#include "ekiden/api/sendgrid/mail_send.hpp"
#include "ekiden/api/sendgrid/routes.hpp"
#include "ekiden/base/text.hpp"

namespace ekiden::api::sendgrid {
namespace {

namespace json = boost::json;
using account::Suppression;
using account::SuppressionFilter;
using account::SuppressionReason;

struct Collection {
  std::string_view name;
  std::optional<SuppressionReason> reason;  ///< nothing: always empty
};
constexpr Collection kCollections[] = {{"bounces", SuppressionReason::Bounce},
                                       {"blocks", SuppressionReason::Soft},
                                       {"invalid_emails", std::nullopt},
                                       {"spam_reports", SuppressionReason::Complaint},
                                       {"unsubscribes", SuppressionReason::Unsubscribe}};

/// The first "5.1.1" in a reply.
std::string status_in(std::string_view reply) {
  for (std::size_t i = 0; i + 4 < reply.size(); ++i) {
    if ((reply[i] != '4' && reply[i] != '5') || reply[i + 1] != '.') continue;
    if (i > 0 && reply[i - 1] != ' ' && reply[i - 1] != '#') continue;
    const std::size_t end = std::min(reply.find_first_not_of("0123456789.", i), reply.size());
    const std::string_view code = reply.substr(i, end - i);
    if (std::count(code.begin(), code.end(), '.') == 2 && code.back() != '.')
      return std::string(code);
  }
  return {};
}

json::object describe(const Suppression& entry, const Collection& of) {
  json::object object{{"created", unix_seconds(entry.created)}, {"email", entry.address}};
  if (of.name == "spam_reports") object["ip"] = "";
  if (of.name == "bounces" || of.name == "blocks") {
    object["reason"] = entry.note;
    object["status"] = status_in(entry.note);
  }
  return object;
}

SuppressionFilter filter_of(const StoreCall& on, const Collection& of) {
  SuppressionFilter filter;
  filter.tenant = on.caller().tenant();
  filter.reason = of.reason;
  // Who has left one stream still gets the others.
  if (of.reason == SuppressionReason::Unsubscribe) filter.stream = account::kAllStreams;
  return filter;
}

/// Problem 400 for what is no time.
std::optional<Problem> read_times(const Call& call, SuppressionFilter& filter) {
  for (const std::string_view name : {"start_time", "end_time"}) {
    const auto given = call.query.find(name);
    if (!given) continue;
    const auto seconds = base::parse_u64(*given);
    if (!seconds || *seconds > 253'402'300'799)
      return bad_request(std::string(name), {"Unix seconds are required", "Unix秒です"});
    const base::Time time = base::from_unix_us(static_cast<std::int64_t>(*seconds) * 1'000'000);
    if (name == "start_time") filter.created_since = time;
    if (name == "end_time") filter.created_before = time + std::chrono::seconds(1);
  }
  return std::nullopt;
}

Answer list(StoreCall& on, const Collection& of) {
  const Window window = read_window(on.call);
  if (window.problem) return *window.problem;
  SuppressionFilter filter = filter_of(on, of);
  if (auto wrong = read_times(on.call, filter)) return *wrong;
  json::array items;
  if (of.reason) {
    const auto entries = on.store.suppressions(filter, 0, window.offset + window.limit);
    if (!entries) return problem_of(entries.error(), of.name);
    for (std::size_t i = window.offset; i < entries->size(); ++i)
      items.push_back(describe((*entries)[i], of));
  }
  return json_list(200, items);
}

Answer show(StoreCall& on, const Collection& of) {
  SuppressionFilter filter = filter_of(on, of);
  const auto address = account::suppression_address(on.call.path.get("email"));
  json::array items;
  if (address && of.reason) {
    filter.address = *address;
    const auto entries = on.store.suppressions(filter, 0, 10);
    if (!entries) return problem_of(entries.error(), of.name);
    for (const Suppression& entry : *entries) items.push_back(describe(entry, of));
  }
  return json_list(200, items);
}

Answer remove_one(StoreCall& on, const Collection& of) {
  SuppressionFilter filter = filter_of(on, of);
  const auto address = account::suppression_address(on.call.path.get("email"));
  if (!address || !of.reason) return no_such("email " + std::string(on.call.path.get("email")));
  filter.address = *address;
  const auto removed = on.store.remove_suppressions(filter, on.author);
  if (!removed) return problem_of(removed.error(), of.name);
  if (*removed == 0) return no_such("email " + *address);
  return no_content();
}

/// {"delete_all": true} or {"emails": [...]}, never both.
Answer remove(StoreCall& on, const Collection& of) {
  JsonBody body = read_json_body(on.call.request);
  if (body.problem) return *body.problem;
  const json::value* all = body.object.if_contains("delete_all");
  const bool is_all = all != nullptr && all->is_bool() && all->get_bool();
  const std::vector<std::string> emails = read_addresses(body.object, "emails");
  if (is_all == !emails.empty())
    return bad_request("delete_all", {"either delete_all or emails is required",
                                      "delete_allかemailsのどちらかが必要です"});
  if (!of.reason) return no_content();
  std::vector<SuppressionFilter> filters;
  if (is_all) filters.push_back(filter_of(on, of));
  for (const std::string& email : emails) {
    const auto address = account::suppression_address(email);
    if (!address)
      return bad_request("emails", {"an email address is required", "メールアドレスが必要です"});
    filters.push_back(filter_of(on, of));
    filters.back().address = *address;
  }
  for (const SuppressionFilter& filter : filters) {
    const auto removed = on.store.remove_suppressions(filter, on.author);
    if (!removed) return problem_of(removed.error(), of.name);
  }
  return no_content();
}

}  // namespace

void add_suppression_routes(Frame& frame, StoreDesk& desk) {
  const Access read{"suppressions:read"}, write{"suppressions:write"};
  for (const Collection& of : kCollections) {
    const std::string path = "/v3/suppression/" + std::string(of.name);
    const auto with = [&of](Answer (*work)(StoreCall&, const Collection&)) {
      return [&of, work](StoreCall& on) { return work(on, of); };
    };
    desk.add(frame, "GET", path, read, with(list), tell);
    desk.add(frame, "DELETE", path, write, with(remove), tell);
    desk.add(frame, "GET", path + "/{email}", read, with(show), tell);
    desk.add(frame, "DELETE", path + "/{email}", write, with(remove_one), tell);
  }
}

}  // namespace ekiden::api::sendgrid
