// /v1/suppressions.
#include <boost/json/serialize.hpp>

#include "ekiden/account/shapes.hpp"
#include "ekiden/account/suppression_file.hpp"
#include "ekiden/api/admin/routes.hpp"
#include "ekiden/api/fields.hpp"
#include "ekiden/base/csv.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/smtp/address.hpp"

namespace ekiden::api::admin {
namespace {

namespace json = boost::json;
using account::Suppression;
using account::SuppressionFilter;

/// Refused rows that an import names.
constexpr std::size_t kRefusedShown = 1000;
/// Entries of one export; past them it says where to go on.
constexpr std::size_t kExportMax = 1'000'000;
constexpr std::size_t kExportPage = 10'000;

Text no_address(std::string_view given) {
  const std::string name = base::printable(given, 100);
  return {"\"" + name + "\" is no mail address",
          "「" + name + "」はメールアドレスとして正しくありません"};
}
Text no_stream() {
  return {"a stream's name, \"all\" or \"bulk-streams\"",
          "ストリーム名、allまたはbulk-streamsです"};
}
Text no_reason() {
  return {"bounce, soft, complaint, unsubscribe, manual or import",
          "bounce、soft、complaint、unsubscribe、manual、importのいずれかです"};
}

struct ReadFilter {
  SuppressionFilter filter;
  std::optional<Problem> problem;
};

/// What the query asks for. `tenant` is chosen already.
ReadFilter read_filter(const Call& call, std::string tenant) {
  ReadFilter read;
  read.filter.tenant = std::move(tenant);
  const auto wrong = [&](std::string_view name, Text text) {
    read.problem = bad_parameter(name, std::move(text));
  };
  for (const auto& [name, value] : call.query.items()) {
    if (name == "address") {
      const auto address = account::suppression_address(value);
      if (!address) wrong(name, no_address(value));
      read.filter.address = address.value_or("");
    } else if (name == "domain") {
      const auto domain = smtp::canonical_domain(value);
      if (!domain) wrong(name, {"this is no domain", "ドメインではありません"});
      read.filter.domain = domain ? *domain : std::string();
    } else if (name == "stream") {
      read.filter.stream = account::parse_suppression_stream(value);
      if (!read.filter.stream) wrong(name, no_stream());
    } else if (name == "reason") {
      read.filter.reason = account::parse_suppression_reason(value);
      if (!read.filter.reason) wrong(name, no_reason());
    } else if (name == "since" || name == "before") {
      const auto day = account::parse_day(value);
      if (!day) wrong(name, {"a day such as 2026-11-22", "2026-11-22のような日付です"});
      (name == "since" ? read.filter.created_since : read.filter.created_before) = day;
    }
  }
  return read;
}

Answer list(StoreCall& on) {
  if (auto wrong = check_query(on.call, {"tenant", "address", "domain", "stream", "reason", "since",
                                         "before", "limit", "cursor"}))
    return *wrong;
  const Chosen chosen = on.tenant_to_see();
  if (chosen.problem) return *chosen.problem;
  const PageAsked page = read_page(on.call);
  if (page.problem) return *page.problem;
  const ReadFilter read = read_filter(on.call, chosen.tenant);
  if (read.problem) return *read.problem;
  const auto after = page.cursor.empty() ? std::uint64_t{0} : base::parse_u64(page.cursor);
  if (!after || *after > INT64_MAX)
    return bad_parameter("cursor", {"this is no cursor", "cursorではありません"});
  const auto entries =
      on.store.suppressions(read.filter, static_cast<std::int64_t>(*after), page.limit + 1);
  if (!entries) return problem_of(entries.error(), "suppressions");
  json::array items;
  json::value next = nullptr;
  for (std::size_t i = 0; i < entries->size(); ++i) {
    if (i == page.limit) {
      next = json::string(std::to_string((*entries)[i - 1].id));
      break;
    }
    items.push_back(account::to_json((*entries)[i], on.now()));
  }
  return json::object{{"suppressions", std::move(items)}, {"next", std::move(next)}};
}

Answer add(StoreCall& on) {
  ReadBody body(on.call.request);
  if (body.problem) return *body.problem;
  Fields& fields = body.fields;
  Suppression common;
  common.created = on.now();
  const std::string tenant = fields.text("tenant").value_or("");
  const auto stream = account::parse_suppression_stream(fields.text("stream").value_or(""));
  if (!stream) fields.wrong("stream", "bad_value", no_stream());
  common.stream = stream.value_or("");
  if (const auto reason = fields.text("reason")) {
    const auto parsed = account::parse_suppression_reason(*reason);
    if (!parsed) fields.wrong("reason", "bad_value", no_reason());
    common.reason = parsed.value_or(common.reason);
  }
  common.note = fields.text("note").value_or("");
  common.expires = fields.instant("expires", on.now()).value_or(base::Time{});
  std::vector<std::string> given = fields.texts("addresses").value_or(std::vector<std::string>());
  if (const auto one = fields.text("address")) given.push_back(*one);
  if (given.empty() || given.size() > kItemsMax)
    fields.wrong("addresses", "required", {"1 to 1000 addresses", "1件から1000件のアドレスです"});
  std::vector<Suppression> entries;
  for (std::size_t i = 0; i < given.size(); ++i) {
    const auto address = account::suppression_address(given[i]);
    if (!address) {
      fields.wrong("addresses", "bad_address", no_address(given[i]));
      continue;
    }
    common.address = *address;
    entries.push_back(common);
  }
  if (auto wrong = body.finish()) return *wrong;
  const Chosen chosen = on.tenant_to_change(tenant);
  if (chosen.problem) return *chosen.problem;
  for (Suppression& entry : entries) entry.tenant = chosen.tenant;
  const auto added = on.store.add_suppressions(entries, on.author);
  if (!added) return problem_of(added.error(), "tenant " + chosen.tenant);
  return json::object{{"added", *added}, {"renewed", entries.size() - *added}};
}

/// CSV, tab-separated values or JSON lines as the body; what holds for all rows in the query.
Answer import(StoreCall& on) {
  if (auto wrong = check_query(on.call, {"tenant", "stream", "reason", "note", "expires"}))
    return *wrong;
  const Chosen chosen = on.tenant_to_change(on.call.query.get("tenant"));
  if (chosen.problem) return *chosen.problem;
  const auto text = base::decode_list(on.call.request.body);
  if (!text)
    return make_problem(
        400, "not-text",
        {"The list is neither UTF-8 nor Shift_JIS.", "一覧がUTF-8でもShift_JISでもありません。"});
  account::SuppressionImport how;
  how.common.tenant = chosen.tenant;
  how.common.reason = account::SuppressionReason::Import;
  how.common.created = on.now();
  how.common.note = on.call.query.get("note");
  const auto stream = account::parse_suppression_stream(on.call.query.get("stream"));
  if (!stream) return bad_parameter("stream", no_stream());
  how.common.stream = *stream;
  if (const auto given = on.call.query.find("reason")) {
    const auto reason = account::parse_suppression_reason(*given);
    if (!reason) return bad_parameter("reason", no_reason());
    how.common.reason = *reason;
  }
  const auto expires = account::parse_expiry(on.call.query.get("expires"), on.now());
  if (!expires)
    return bad_parameter("expires",
                         {"a duration such as 90d, or a day", "90dのような期間、または日付です"});
  how.common.expires = *expires;
  json::array refused;
  how.refused = [&](std::uint64_t line, const std::string& why) {
    if (refused.size() < kRefusedShown)
      refused.push_back(json::object{{"line", line}, {"problem", why}});
  };
  const auto done = account::import_suppressions(on.store, *text, how, on.author);
  if (!done) return problem_of(done.error(), "tenant " + chosen.tenant);
  return json::object{{"rows", done->rows},
                      {"added", done->added},
                      {"known", done->known()},
                      {"refused", done->refused},
                      {"errors", std::move(refused)}};
}

Answer export_all(StoreCall& on) {
  if (auto wrong = check_query(on.call, {"tenant", "address", "domain", "stream", "reason", "since",
                                         "before", "format", "cursor"}))
    return *wrong;
  const Chosen chosen = on.tenant_to_see();
  if (chosen.problem) return *chosen.problem;
  const ReadFilter read = read_filter(on.call, chosen.tenant);
  if (read.problem) return *read.problem;
  const std::string_view format = on.call.query.find("format").value_or("csv");
  if (format != "csv" && format != "jsonl")
    return bad_parameter("format", {"either csv or jsonl", "csvかjsonlです"});
  const std::string_view cursor = on.call.query.get("cursor");
  const auto from = cursor.empty() ? std::uint64_t{0} : base::parse_u64(cursor);
  if (!from || *from > INT64_MAX)
    return bad_parameter("cursor", {"this is no cursor", "cursorではありません"});
  HttpResponse response;
  response.content_type = format == "csv" ? "text/csv; charset=utf-8" : "application/x-ndjson";
  if (format == "csv") response.body = account::kSuppressionCsvHeading;
  auto after = static_cast<std::int64_t>(*from);
  for (std::size_t count = 0; count < kExportMax;) {
    const auto page = on.store.suppressions(read.filter, after, kExportPage);
    if (!page) return problem_of(page.error(), "suppressions");
    for (const Suppression& entry : *page) {
      response.body += format == "csv" ? account::suppression_csv_line(entry)
                                       : json::serialize(account::to_json(entry, on.now())) + "\n";
    }
    if (page->size() < kExportPage) return response;
    after = page->back().id;
    count += page->size();
  }
  response.headers.emplace_back("X-Next-Cursor", std::to_string(after));
  return response;
}

Answer show(StoreCall& on) {
  if (auto wrong = check_query(on.call, {"tenant"})) return *wrong;
  const Chosen chosen = on.tenant_to_see();
  if (chosen.problem) return *chosen.problem;
  const std::string_view given = on.call.path.get("address");
  const auto address = account::suppression_address(given);
  if (!address) return bad_parameter("address", no_address(given));
  SuppressionFilter filter;
  filter.tenant = chosen.tenant;
  filter.address = *address;
  const auto entries = on.store.suppressions(filter, 0, kItemsMax);
  if (!entries) return problem_of(entries.error(), "suppressions");
  json::array items;
  bool is_suppressed = false;
  for (const Suppression& entry : *entries) {
    is_suppressed = is_suppressed || !entry.is_expired(on.now());
    items.push_back(account::to_json(entry, on.now()));
  }
  return json::object{
      {"address", *address}, {"suppressed", is_suppressed}, {"entries", std::move(items)}};
}

Answer remove_one(StoreCall& on) {
  if (auto wrong = check_query(on.call, {"tenant", "stream", "reason"})) return *wrong;
  const Chosen chosen = on.tenant_to_change(on.call.query.get("tenant"));
  if (chosen.problem) return *chosen.problem;
  ReadFilter read = read_filter(on.call, chosen.tenant);
  if (read.problem) return *read.problem;
  const std::string_view given = on.call.path.get("address");
  const auto address = account::suppression_address(given);
  if (!address) return bad_parameter("address", no_address(given));
  read.filter.address = *address;
  const auto removed = on.store.remove_suppressions(read.filter, on.author);
  if (!removed) return problem_of(removed.error(), *address);
  if (*removed == 0) return no_such("suppression of " + *address);
  return json::object{{"removed", *removed}};
}

/// A release in bulk. Without a filter it asks for `all=true`: that releases everybody.
Answer remove(StoreCall& on) {
  if (auto wrong = check_query(
          on.call, {"tenant", "address", "domain", "stream", "reason", "since", "before", "all"}))
    return *wrong;
  const Chosen chosen = on.tenant_to_change(on.call.query.get("tenant"));
  if (chosen.problem) return *chosen.problem;
  const ReadFilter read = read_filter(on.call, chosen.tenant);
  if (read.problem) return *read.problem;
  if (read.filter.is_everything() && on.call.query.get("all") != "true")
    return bad_parameter("all", {"give a filter, or all=true to release everybody",
                                 "条件を指定するか、全件を解除するにはall=trueが必要です"});
  const auto removed = on.store.remove_suppressions(read.filter, on.author);
  if (!removed) return problem_of(removed.error(), "suppressions");
  return json::object{{"removed", *removed}};
}

}  // namespace

void add_suppression_routes(Frame& frame, StoreDesk& desk) {
  const Access read{"suppressions:read"}, write{"suppressions:write"};
  desk.add(frame, "GET", "/v1/suppressions", read, list);
  desk.add(frame, "POST", "/v1/suppressions", write, add);
  desk.add(frame, "DELETE", "/v1/suppressions", write, remove);
  desk.add(frame, "POST", "/v1/suppressions/import", write, import);
  desk.add(frame, "GET", "/v1/suppressions/export", read, export_all);
  desk.add(frame, "GET", "/v1/suppressions/{address}", read, show);
  desk.add(frame, "DELETE", "/v1/suppressions/{address}", write, remove_one);
}

}  // namespace ekiden::api::admin
