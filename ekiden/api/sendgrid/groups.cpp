// /v3/asm: unsubscribe groups. A group is the tenant's stream "group-ID": mail/send with the
// group's id is sent on it, and who leaves it is suppressed there. Global unsubscribes are for all
// streams.
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
using account::UnsubscribeGroup;

/// Who has left a group that one answer tells.
constexpr std::size_t kMembersMax = 100'000;
constexpr std::size_t kDescriptionMax = 1000;

/// Who has left this stream, or everything; of one address, or of all.
Result<std::vector<Suppression>> left(StoreCall& on, const std::string& stream,
                                      const std::string& address = {}) {
  SuppressionFilter filter;
  filter.tenant = on.caller().tenant();
  filter.reason = SuppressionReason::Unsubscribe;
  filter.stream = stream;
  filter.address = address;
  return on.store.suppressions(filter, 0, kMembersMax);
}

json::object describe(const UnsubscribeGroup& group) {
  return {{"id", group.id},
          {"name", group.name},
          {"description", group.description},
          {"is_default", group.is_default},
          {"last_email_sent_at", nullptr}};
}

std::optional<UnsubscribeGroup> find(StoreCall& on, std::optional<Problem>& problem) {
  const std::string_view text = on.call.path.get("group");
  const auto groups = on.store.unsubscribe_groups(on.caller().tenant());
  if (!groups) {
    problem = problem_of(groups.error(), "groups");
    return std::nullopt;
  }
  for (const UnsubscribeGroup& group : *groups)
    if (std::to_string(group.id) == text) return group;
  problem = no_such("group " + std::string(text));
  return std::nullopt;
}

Answer list(StoreCall& on) {
  const auto groups = on.store.unsubscribe_groups(on.caller().tenant());
  if (!groups) return problem_of(groups.error(), "groups");
  const std::vector<std::string> wanted = on.call.query.all("id");
  json::array items;
  for (const UnsubscribeGroup& group : *groups) {
    const bool is_meant = wanted.empty() || std::find(wanted.begin(), wanted.end(),
                                                      std::to_string(group.id)) != wanted.end();
    if (!is_meant) continue;
    SuppressionFilter filter;
    filter.tenant = group.tenant;
    filter.stream = group.stream();
    const auto count = on.store.count_suppressions(filter);
    if (!count) return problem_of(count.error(), "groups");
    json::object object = describe(group);
    object["unsubscribes"] = *count;
    items.push_back(std::move(object));
  }
  return json_list(200, items);
}

/// Takes in what the body says; what it leaves out stays.
std::optional<Problem> read_group(const Call& call, bool is_new, UnsubscribeGroup& group) {
  JsonBody body = read_json_body(call.request);
  if (body.problem) return body.problem;
  for (const auto& [name, into] :
       {std::pair(std::string_view("name"), &group.name),
        std::pair(std::string_view("description"), &group.description)}) {
    const json::value* value = body.object.if_contains(json::string_view(name.data(), name.size()));
    if (value == nullptr) continue;
    if (!value->is_string() || text_of(*value).size() > kDescriptionMax)
      return bad_request(std::string(name), {"a text is required", "文字列です"});
    *into = text_of(*value);
  }
  if (is_new && group.name.empty())
    return bad_request("name", {"The name is required.", "nameは必須です。"});
  if (const json::value* is_default = body.object.if_contains("is_default"))
    group.is_default = is_default->is_bool() && is_default->get_bool();
  return std::nullopt;
}

/// A tenant that has named its streams has this one as well.
Result<void> name_stream(StoreCall& on, const UnsubscribeGroup& group) {
  const auto tenant = on.store.tenant(group.tenant);
  if (!tenant) return tenant.error();
  if (tenant->settings.streams.empty()) return {};
  account::TenantSettings settings = tenant->settings;
  account::Stream stream;
  stream.name = group.stream();
  settings.streams.push_back(std::move(stream));
  std::sort(settings.streams.begin(), settings.streams.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  return on.store.set_tenant(group.tenant, settings, on.author);
}

Answer create(StoreCall& on) {
  UnsubscribeGroup group;
  group.tenant = on.caller().tenant();
  if (auto wrong = read_group(on.call, true, group)) return *wrong;
  const auto added = on.store.add_unsubscribe_group(group, on.author);
  if (!added) return problem_of(added.error(), "group " + group.name);
  group.id = *added;
  if (const auto named = name_stream(on, group); !named)
    return problem_of(named.error(), "stream " + group.stream());
  return Answer(json_response(201, describe(group)));
}

Answer show(StoreCall& on) {
  std::optional<Problem> problem;
  const auto group = find(on, problem);
  if (!group) return *problem;
  const auto members = left(on, group->stream());
  if (!members) return problem_of(members.error(), "group");
  json::object object = describe(*group);
  object["unsubscribes"] = members->size();
  return object;
}

Answer change(StoreCall& on) {
  std::optional<Problem> problem;
  auto group = find(on, problem);
  if (!group) return *problem;
  if (auto wrong = read_group(on.call, false, *group)) return *wrong;
  const auto set = on.store.set_unsubscribe_group(*group, on.author);
  if (!set) return problem_of(set.error(), "group " + group->name);
  return describe(*group);
}

Answer remove(StoreCall& on) {
  std::optional<Problem> problem;
  const auto group = find(on, problem);
  if (!group) return *problem;
  const auto removed = on.store.remove_unsubscribe_group(group->tenant, group->id, on.author);
  if (!removed) return problem_of(removed.error(), "group");
  return no_content();
}

/// Those of the body, or the problem 400 of one that is none.
struct Given {
  std::vector<std::string> addresses;
  std::optional<Problem> problem;
};
Given read_recipients(const Call& call) {
  Given given;
  JsonBody body = read_json_body(call.request);
  if (body.problem) {
    given.problem = std::move(body.problem);
    return given;
  }
  for (const std::string& text : read_addresses(body.object, "recipient_emails")) {
    const auto address = account::suppression_address(text);
    if (!address) {
      given.problem = bad_request(
          "recipient_emails",
          {"\"" + base::printable(text, 100) + "\" is no email address",
           "「" + base::printable(text, 100) + "」はメールアドレスとして正しくありません"});
      return given;
    }
    given.addresses.push_back(*address);
  }
  if (given.addresses.empty())
    given.problem = bad_request("recipient_emails",
                                {"recipient_emails is required", "recipient_emailsは必須です"});
  return given;
}

json::object told(const std::vector<std::string>& addresses) {
  json::array items;
  for (const std::string& address : addresses) items.push_back(json::string(address));
  return {{"recipient_emails", std::move(items)}};
}

Answer suppress(StoreCall& on, const std::string& stream) {
  const Given given = read_recipients(on.call);
  if (given.problem) return *given.problem;
  std::vector<Suppression> entries;
  for (const std::string& address : given.addresses) {
    Suppression entry;
    entry.tenant = on.caller().tenant();
    entry.address = address;
    entry.stream = stream;
    entry.reason = SuppressionReason::Unsubscribe;
    entry.created = on.now();
    entries.push_back(std::move(entry));
  }
  const auto added = on.store.add_suppressions(entries, on.author);
  if (!added) return problem_of(added.error(), "suppressions");
  return Answer(json_response(201, told(given.addresses)));
}

Answer release(StoreCall& on, const std::string& stream) {
  const auto address = account::suppression_address(on.call.path.get("email"));
  if (!address) return no_such("email " + std::string(on.call.path.get("email")));
  SuppressionFilter filter;
  filter.tenant = on.caller().tenant();
  filter.reason = SuppressionReason::Unsubscribe;
  filter.stream = stream;
  filter.address = *address;
  const auto removed = on.store.remove_suppressions(filter, on.author);
  if (!removed) return problem_of(removed.error(), *address);
  if (*removed == 0) return no_such("email " + *address);
  return no_content();
}

Answer suppress_in_group(StoreCall& on) {
  std::optional<Problem> problem;
  const auto group = find(on, problem);
  if (!group) return *problem;
  return suppress(on, group->stream());
}

Answer release_from_group(StoreCall& on) {
  std::optional<Problem> problem;
  const auto group = find(on, problem);
  if (!group) return *problem;
  return release(on, group->stream());
}

Answer list_members(StoreCall& on) {
  std::optional<Problem> problem;
  const auto group = find(on, problem);
  if (!group) return *problem;
  const auto members = left(on, group->stream());
  if (!members) return problem_of(members.error(), "group");
  json::array items;
  for (const Suppression& entry : *members) items.push_back(json::string(entry.address));
  return json_list(200, items);
}

/// Which of those that are given have left the group.
Answer search_members(StoreCall& on) {
  std::optional<Problem> problem;
  const auto group = find(on, problem);
  if (!group) return *problem;
  const Given given = read_recipients(on.call);
  if (given.problem) return *given.problem;
  json::array items;
  for (const std::string& address : given.addresses) {
    const auto found = left(on, group->stream(), address);
    if (!found) return problem_of(found.error(), "group");
    if (!found->empty()) items.push_back(json::string(address));
  }
  return json_list(200, items);
}

/// Everybody who has left a group, group by group.
Answer list_all(StoreCall& on) {
  const Window window = read_window(on.call);
  if (window.problem) return *window.problem;
  const auto groups = on.store.unsubscribe_groups(on.caller().tenant());
  if (!groups) return problem_of(groups.error(), "groups");
  json::array items;
  std::size_t skipped = 0;
  for (const UnsubscribeGroup& group : *groups) {
    const auto members = left(on, group.stream());
    if (!members) return problem_of(members.error(), "group");
    for (const Suppression& entry : *members) {
      if (skipped++ < window.offset) continue;
      if (items.size() == window.limit) return json_list(200, items);
      items.push_back(json::object{{"email", entry.address},
                                   {"group_id", group.id},
                                   {"group_name", group.name},
                                   {"created_at", unix_seconds(entry.created)}});
    }
  }
  return json_list(200, items);
}

/// Every group, and whether the address has left it.
Answer of_address(StoreCall& on) {
  const auto address = account::suppression_address(on.call.path.get("email"));
  if (!address) return no_such("email " + std::string(on.call.path.get("email")));
  const auto groups = on.store.unsubscribe_groups(on.caller().tenant());
  if (!groups) return problem_of(groups.error(), "groups");
  json::array items;
  for (const UnsubscribeGroup& group : *groups) {
    const auto found = left(on, group.stream(), *address);
    if (!found) return problem_of(found.error(), "group");
    json::object object = describe(group);
    object.erase("last_email_sent_at");
    object["suppressed"] = !found->empty();
    items.push_back(std::move(object));
  }
  return json::object{{"suppressions", std::move(items)}};
}

Answer suppress_globally(StoreCall& on) {
  return suppress(on, std::string(account::kAllStreams));
}
Answer release_globally(StoreCall& on) {
  return release(on, std::string(account::kAllStreams));
}

/// {"recipient_email": …}, or {} for who has not left.
Answer show_global(StoreCall& on) {
  const auto address = account::suppression_address(on.call.path.get("email"));
  if (!address) return json::object{};
  const auto found = left(on, std::string(account::kAllStreams), *address);
  if (!found) return problem_of(found.error(), *address);
  if (found->empty()) return json::object{};
  return json::object{{"recipient_email", *address}};
}

}  // namespace

void add_group_routes(Frame& frame, StoreDesk& desk) {
  const Access read{"suppressions:read"}, write{"suppressions:write"};
  const auto add = [&](const char* method, const std::string& path, StoreWork work) {
    const Access& access = std::string_view(method) == "GET" ? read : write;
    desk.add(frame, method, "/v3/asm" + path, access, std::move(work), tell);
  };
  add("GET", "/groups", list);
  add("POST", "/groups", create);
  add("GET", "/groups/{group}", show);
  add("PATCH", "/groups/{group}", change);
  add("DELETE", "/groups/{group}", remove);
  add("GET", "/groups/{group}/suppressions", list_members);
  add("POST", "/groups/{group}/suppressions", suppress_in_group);
  desk.add(frame, "POST", "/v3/asm/groups/{group}/suppressions/search", read, search_members, tell);
  add("DELETE", "/groups/{group}/suppressions/{email}", release_from_group);
  add("GET", "/suppressions", list_all);
  add("POST", "/suppressions/global", suppress_globally);
  add("GET", "/suppressions/global/{email}", show_global);
  add("DELETE", "/suppressions/global/{email}", release_globally);
  add("GET", "/suppressions/{email}", of_address);
}

}  // namespace ekiden::api::sendgrid
