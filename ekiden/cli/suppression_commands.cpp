#include "ekiden/cli/suppression_commands.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fstream>
#include <map>
#include <ostream>

#include "ekiden/base/text.hpp"
#include "ekiden/cli/csv.hpp"
#include "ekiden/cli/store_answers.hpp"
#include "ekiden/config/units.hpp"
#include "ekiden/smtp/address.hpp"

namespace ekiden::cli {

namespace json = boost::json;
using account::Suppression;
using account::SuppressionFilter;

namespace {

constexpr std::size_t kPage = 1000;
/// Rows that are made durable together while a file is read.
constexpr std::size_t kBatch = 10'000;
/// Refused rows that are shown; --errors takes all of them.
constexpr std::size_t kErrorsShown = 20;
constexpr std::string_view kBulkWord = "bulk-streams";

std::string stream_word(std::string_view stream) {
  if (stream == account::kAllStreams) return "all";
  if (stream == account::kBulkStreams) return std::string(kBulkWord);
  return std::string(stream);
}

/// Nothing when it is no stream.
std::optional<std::string> read_stream(std::string_view word) {
  if (word.empty() || word == "all") return std::string(account::kAllStreams);
  if (word == kBulkWord) return std::string(account::kBulkStreams);
  if (!account::check_label(word)) return std::nullopt;
  return std::string(word);
}

/// "2027-01-31" or "2027-01-31T…": the first instant of that day in UTC.
std::optional<base::Time> read_day(std::string_view text) {
  if (text.size() < 10 || text[4] != '-' || text[7] != '-') return std::nullopt;
  const auto year = base::parse_u64(text.substr(0, 4)), month = base::parse_u64(text.substr(5, 2)),
             day = base::parse_u64(text.substr(8, 2));
  if (!year || !month || !day) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(*year)),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) return std::nullopt;
  return base::Time(std::chrono::sys_days(date).time_since_epoch());
}

/// A duration from now, or a day. The epoch for an empty text: never.
std::optional<base::Time> read_expiry(std::string_view text, base::Time now) {
  if (text.empty() || text == "never") return base::Time{};
  if (const auto day = read_day(text)) return *day;
  const auto duration = config::parse_duration(text);
  if (!duration || duration->count() <= 0) return std::nullopt;
  return now + *duration;
}

std::optional<SuppressionFilter> filter_of(const SuppressionOptions& options,
                                           UserContext& context) {
  SuppressionFilter filter;
  filter.tenant = options.tenant;
  if (!options.addresses.empty()) {
    const auto address = account::suppression_address(options.addresses.front());
    if (!address) {
      refuse(context, options.addresses.front(), "is no address", 2);
      return std::nullopt;
    }
    filter.address = *address;
  }
  if (!options.domain.empty()) {
    const auto domain = smtp::canonical_domain(options.domain);
    if (!domain) {
      refuse(context, options.domain, "is no domain", 2);
      return std::nullopt;
    }
    filter.domain = *domain;
  }
  if (!options.stream.empty()) {
    filter.stream = read_stream(options.stream);
    if (!filter.stream) {
      refuse(context, options.stream, "is no stream", 2);
      return std::nullopt;
    }
  }
  if (!options.reason.empty()) {
    filter.reason = account::parse_suppression_reason(options.reason);
    if (!filter.reason) {
      refuse(context, options.reason,
             "is no reason: bounce, soft, complaint, unsubscribe, manual or import", 2);
      return std::nullopt;
    }
  }
  for (const auto& [text, into] : {std::pair(&options.before, &filter.created_before),
                                   std::pair(&options.since, &filter.created_since)}) {
    if (text->empty()) continue;
    *into = read_day(*text);
    if (!*into) {
      refuse(context, *text, "is no day like 2026-11-22", 2);
      return std::nullopt;
    }
  }
  return filter;
}

json::object to_json(const Suppression& entry, base::Time now) {
  json::object object{{"address", entry.address},
                      {"tenant", entry.tenant},
                      {"stream", stream_word(entry.stream)},
                      {"reason", account::name_of(entry.reason)},
                      {"created", base::format_rfc3339(entry.created)}};
  if (entry.expires != base::Time{}) object["expires"] = base::format_rfc3339(entry.expires);
  if (entry.is_expired(now)) object["expired"] = true;
  if (!entry.note.empty()) object["note"] = entry.note;
  if (!entry.source.empty()) object["source"] = entry.source;
  return object;
}

/// Calls `see` with each entry, page by page. Not kDone: the store failed.
template <class See>
int visit(const SuppressionFilter& filter, std::size_t count, UserContext& context, See see) {
  std::int64_t after = 0;
  std::size_t left = count == 0 ? SIZE_MAX : count;
  while (left > 0) {
    const auto page = context.store.suppressions(filter, after, std::min(left, kPage));
    if (!page) return report(context, "suppression", page.error());
    for (const Suppression& entry : *page) see(entry);
    if (page->size() < std::min(left, kPage)) break;
    left -= page->size();
    after = page->back().id;
  }
  return 0;
}

void print(const Suppression& entry, UserContext& context) {
  if (context.is_json) {
    context.out << json::serialize(to_json(entry, context.author.now)) << '\n';
    return;
  }
  context.out << base::printable(entry.address) << "  " << account::name_of(entry.reason)
              << "  stream=" << stream_word(entry.stream) << " tenant=" << entry.tenant
              << " since=" << base::format_day(entry.created);
  if (entry.is_expired(context.author.now)) {
    context.out << " expired";
  } else if (entry.expires != base::Time{}) {
    context.out << " until=" << base::format_day(entry.expires);
  }
  if (!entry.note.empty()) context.out << "  " << base::printable(entry.note, 100);
  context.out << '\n';
}

}  // namespace

int suppression_add(const SuppressionOptions& options, UserContext& context) {
  Suppression entry;
  entry.tenant = options.tenant;
  const auto stream = read_stream(options.stream);
  if (!stream) return refuse(context, options.stream, "is no stream", 2);
  entry.stream = *stream;
  if (!options.reason.empty()) {
    const auto reason = account::parse_suppression_reason(options.reason);
    if (!reason) return refuse(context, options.reason, "is no reason", 2);
    entry.reason = *reason;
  }
  const auto expires = read_expiry(options.expires, context.author.now);
  if (!expires) {
    return refuse(context, options.expires, "is neither a duration like 90d nor a day", 2);
  }
  entry.expires = *expires;
  entry.created = context.author.now;
  entry.note = options.note;
  std::vector<Suppression> entries;
  for (const std::string& given : options.addresses) {
    const auto address = account::suppression_address(given);
    if (!address) return refuse(context, given, "is no address", 2);
    entry.address = *address;
    entries.push_back(entry);
  }
  const auto added = context.store.add_suppressions(entries, context.author);
  if (!added) return report(context, options.tenant, added.error());
  if (context.is_json) {
    context.out << json::serialize(
                       json::object{{"added", *added}, {"renewed", entries.size() - *added}})
                << '\n';
  } else {
    context.out << *added << " added, " << entries.size() - *added << " renewed\n";
  }
  return 0;
}

int suppression_show(const SuppressionOptions& options, UserContext& context) {
  const auto filter = filter_of(options, context);
  if (!filter) return 2;
  json::array entries;
  std::size_t shown = 0;
  const int status = visit(*filter, 0, context, [&](const Suppression& entry) {
    ++shown;
    if (context.is_json) {
      entries.push_back(to_json(entry, context.author.now));
    } else {
      print(entry, context);
    }
  });
  if (status != 0) return status;
  if (context.is_json) {
    context.out << json::serialize(json::object{{"address", filter->address},
                                                {"suppressed", shown > 0},
                                                {"entries", std::move(entries)}})
                << '\n';
  } else if (shown == 0) {
    context.out << filter->address << " is not suppressed\n";
  }
  return 0;
}

int suppression_list(const SuppressionOptions& options, UserContext& context) {
  const auto filter = filter_of(options, context);
  if (!filter) return 2;
  std::size_t shown = 0;
  const int status = visit(*filter, options.count, context, [&](const Suppression& entry) {
    ++shown;
    print(entry, context);
  });
  if (status == 0 && shown == 0 && !context.is_json) context.out << "nobody\n";
  return status;
}

int suppression_remove(const SuppressionOptions& options, UserContext& context) {
  std::uint64_t removed = 0;
  std::vector<SuppressionOptions> each(1, options);
  for (std::size_t i = 1; i < options.addresses.size(); ++i) {
    each.push_back(options);
    each.back().addresses = {options.addresses[i]};
  }
  std::vector<SuppressionFilter> filters;
  for (const SuppressionOptions& one : each) {
    const auto filter = filter_of(one, context);
    if (!filter) return 2;
    if (filter->is_everything() && !options.is_all) {
      return refuse(context, "suppression remove",
                    "give addresses or a filter, or --all to release everybody", 2);
    }
    filters.push_back(*filter);
  }
  for (const SuppressionFilter& filter : filters) {
    const auto done = context.store.remove_suppressions(filter, context.author);
    if (!done) return report(context, "suppression remove", done.error());
    removed += *done;
  }
  if (context.is_json) {
    context.out << json::serialize(json::object{{"removed", removed}}) << '\n';
  } else {
    context.out << removed << " removed\n";
  }
  return removed == 0 && !options.addresses.empty() ? 1 : 0;
}

int suppression_export(const SuppressionOptions& options, UserContext& context) {
  const auto filter = filter_of(options, context);
  if (!filter) return 2;
  const bool is_csv = options.format == "csv" && !context.is_json;
  if (is_csv) context.out << "address,reason,stream,created,expires,note\r\n";
  return visit(*filter, 0, context, [&](const Suppression& entry) {
    if (!is_csv) {
      context.out << json::serialize(to_json(entry, context.author.now)) << '\n';
      return;
    }
    context.out << format_csv_field(entry.address) << ',' << account::name_of(entry.reason) << ','
                << stream_word(entry.stream) << ',' << base::format_rfc3339(entry.created) << ','
                << (entry.expires == base::Time{} ? "" : base::format_rfc3339(entry.expires)) << ','
                << format_csv_field(entry.note) << "\r\n";
  });
}

namespace {

/// Which column holds what; by the names in the first record, or as they come.
struct Columns {
  std::optional<std::size_t> address, reason, stream, note, expires;

  /// False: the record is no heading.
  bool read(const std::vector<std::string>& names) {
    static const std::map<std::string, std::optional<std::size_t> Columns::*> kNames = {
        {"address", &Columns::address},
        {"email", &Columns::address},
        {"e-mail", &Columns::address},
        {"mail", &Columns::address},
        {"recipient", &Columns::address},
        {"email address", &Columns::address},
        {"メールアドレス", &Columns::address},
        {"アドレス", &Columns::address},
        {"reason", &Columns::reason},
        {"理由", &Columns::reason},
        {"stream", &Columns::stream},
        {"note", &Columns::note},
        {"備考", &Columns::note},
        {"expires", &Columns::expires}};
    Columns found;
    for (std::size_t i = 0; i < names.size(); ++i) {
      const auto known = kNames.find(base::lowered(base::trimmed(names[i])));
      if (known != kNames.end() && !(found.*(known->second))) found.*(known->second) = i;
    }
    if (!found.address) return false;
    *this = found;
    return true;
  }
};

std::string_view field(const std::vector<std::string>& fields, std::optional<std::size_t> at) {
  return at && *at < fields.size() ? base::trimmed(fields[*at]) : std::string_view();
}

/// One row as an entry; false, with why, when it is none.
bool read_row(const std::vector<std::string>& fields, const Columns& columns, Suppression& entry,
              base::Time now, std::string& why) {
  std::string_view given = field(fields, columns.address);
  // "Taro <taro@example.jp>", and what protects a spreadsheet from formulas.
  if (given.ends_with('>')) {
    const std::size_t open = given.rfind('<');
    if (open != std::string_view::npos) given = given.substr(open + 1, given.size() - open - 2);
  }
  const auto address = account::suppression_address(given);
  if (!address) {
    why = given.empty() ? "has no address" : "\"" + base::printable(given, 80) + "\" is no address";
    return false;
  }
  entry.address = *address;
  const std::string_view reason = field(fields, columns.reason);
  if (!reason.empty()) {
    const auto parsed = account::parse_suppression_reason(base::lowered(reason));
    if (!parsed) {
      why = "\"" + base::printable(reason, 40) + "\" is no reason";
      return false;
    }
    entry.reason = *parsed;
  }
  const std::string_view stream = field(fields, columns.stream);
  if (!stream.empty()) {
    const auto parsed = read_stream(stream);
    if (!parsed) {
      why = "\"" + base::printable(stream, 40) + "\" is no stream";
      return false;
    }
    entry.stream = *parsed;
  }
  const std::string_view expires = field(fields, columns.expires);
  if (!expires.empty()) {
    const auto parsed = read_expiry(expires, now);
    if (!parsed) {
      why = "\"" + base::printable(expires, 40) + "\" is neither a duration nor a day";
      return false;
    }
    entry.expires = *parsed;
  }
  const std::string_view note = field(fields, columns.note);
  if (!note.empty()) entry.note = note;
  return true;
}

}  // namespace

int suppression_import(const SuppressionOptions& options, std::string octets,
                       UserContext& context) {
  const auto text = decode_list(std::move(octets));
  if (!text) return refuse(context, options.file, "is neither UTF-8 nor Shift_JIS");
  Suppression common;
  common.tenant = options.tenant;
  common.reason = account::SuppressionReason::Import;
  common.created = context.author.now;
  common.note = options.note;
  const auto stream = read_stream(options.stream);
  if (!stream) return refuse(context, options.stream, "is no stream", 2);
  common.stream = *stream;
  const auto expires = read_expiry(options.expires, context.author.now);
  if (!expires) return refuse(context, options.expires, "is neither a duration nor a day", 2);
  common.expires = *expires;
  std::ofstream errors;
  if (!options.errors.empty()) {
    errors.open(options.errors, std::ios::trunc);
    if (!errors) return refuse(context, options.errors, "cannot be written", 3);
    errors << "line,problem\r\n";
  }

  Columns columns;
  columns.address = 0;
  std::uint64_t rows = 0, added = 0, refused = 0;
  json::array shown;
  std::vector<Suppression> batch;
  const auto write = [&]() -> int {
    const auto done = context.store.add_suppressions(batch, context.author);
    if (!done) return report(context, options.tenant, done.error());
    added += *done;
    batch.clear();
    return 0;
  };
  CsvReader reader(*text);
  bool is_first = true;
  while (auto record = reader.next()) {
    if (std::exchange(is_first, false) && record->problem.empty() && columns.read(record->fields)) {
      continue;
    }
    ++rows;
    Suppression entry = common;
    std::string why = record->problem;
    if (why.empty()) read_row(record->fields, columns, entry, context.author.now, why);
    if (why.empty()) {
      batch.push_back(std::move(entry));
      if (batch.size() < kBatch) continue;
      if (const int status = write(); status != 0) return status;
      continue;
    }
    ++refused;
    if (errors.is_open()) errors << record->line << ',' << format_csv_field(why) << "\r\n";
    if (refused > kErrorsShown) continue;
    if (context.is_json) {
      shown.push_back(json::object{{"line", record->line}, {"problem", why}});
    } else {
      context.err << "line " << record->line << ": " << why << '\n';
    }
  }
  if (!batch.empty()) {
    if (const int status = write(); status != 0) return status;
  }
  if (context.is_json) {
    context.out << json::serialize(json::object{{"rows", rows},
                                                {"added", added},
                                                {"known", rows - refused - added},
                                                {"refused", refused},
                                                {"errors", std::move(shown)}})
                << '\n';
  } else {
    if (refused > kErrorsShown) {
      context.err << "and " << refused - kErrorsShown << " more; --errors FILE takes all\n";
    }
    context.out << rows << " rows: " << added << " added, " << rows - refused - added << " known, "
                << refused << " refused\n";
  }
  return refused > 0 ? 1 : 0;
}

}  // namespace ekiden::cli
