#include "ekiden/cli/suppression_commands.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fstream>
#include <ostream>

#include "ekiden/account/shapes.hpp"
#include "ekiden/account/suppression_file.hpp"
#include "ekiden/base/csv.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/cli/store_answers.hpp"
#include "ekiden/smtp/address.hpp"

namespace ekiden::cli {

namespace json = boost::json;
using account::Suppression;
using account::SuppressionFilter;

namespace {

constexpr std::size_t kPage = 1000;
/// Refused rows that are shown; --errors takes all of them.
constexpr std::size_t kErrorsShown = 20;

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
    filter.stream = account::parse_suppression_stream(options.stream);
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
    *into = account::parse_day(*text);
    if (!*into) {
      refuse(context, *text, "is no day like 2026-11-22", 2);
      return std::nullopt;
    }
  }
  return filter;
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
    context.out << json::serialize(account::to_json(entry, context.author.now)) << '\n';
    return;
  }
  context.out << base::printable(entry.address) << "  " << account::name_of(entry.reason)
              << "  stream=" << account::suppression_stream_word(entry.stream)
              << " tenant=" << entry.tenant << " since=" << base::format_day(entry.created);
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
  const auto stream = account::parse_suppression_stream(options.stream);
  if (!stream) return refuse(context, options.stream, "is no stream", 2);
  entry.stream = *stream;
  if (!options.reason.empty()) {
    const auto reason = account::parse_suppression_reason(options.reason);
    if (!reason) return refuse(context, options.reason, "is no reason", 2);
    entry.reason = *reason;
  }
  const auto expires = account::parse_expiry(options.expires, context.author.now);
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
      entries.push_back(account::to_json(entry, context.author.now));
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
  if (is_csv) context.out << account::kSuppressionCsvHeading;
  return visit(*filter, 0, context, [&](const Suppression& entry) {
    if (is_csv) {
      context.out << account::suppression_csv_line(entry);
    } else {
      context.out << json::serialize(account::to_json(entry, context.author.now)) << '\n';
    }
  });
}

int suppression_import(const SuppressionOptions& options, std::string octets,
                       UserContext& context) {
  const auto text = base::decode_list(std::move(octets));
  if (!text) return refuse(context, options.file, "is neither UTF-8 nor Shift_JIS");
  Suppression common;
  common.tenant = options.tenant;
  common.reason = account::SuppressionReason::Import;
  common.created = context.author.now;
  common.note = options.note;
  const auto stream = account::parse_suppression_stream(options.stream);
  if (!stream) return refuse(context, options.stream, "is no stream", 2);
  common.stream = *stream;
  const auto expires = account::parse_expiry(options.expires, context.author.now);
  if (!expires) return refuse(context, options.expires, "is neither a duration nor a day", 2);
  common.expires = *expires;
  std::ofstream errors;
  if (!options.errors.empty()) {
    errors.open(options.errors, std::ios::trunc);
    if (!errors) return refuse(context, options.errors, "cannot be written", 3);
    errors << "line,problem\r\n";
  }

  json::array shown;
  account::SuppressionImport how;
  how.common = std::move(common);
  std::uint64_t told = 0;
  how.refused = [&](std::uint64_t line, const std::string& why) {
    if (errors.is_open()) errors << line << ',' << base::format_csv_field(why) << "\r\n";
    if (++told > kErrorsShown) return;
    if (context.is_json) {
      shown.push_back(json::object{{"line", line}, {"problem", why}});
    } else {
      context.err << "line " << line << ": " << why << '\n';
    }
  };
  const auto done = account::import_suppressions(context.store, *text, how, context.author);
  if (!done) return report(context, options.tenant, done.error());
  if (context.is_json) {
    context.out << json::serialize(json::object{{"rows", done->rows},
                                                {"added", done->added},
                                                {"known", done->known()},
                                                {"refused", done->refused},
                                                {"errors", std::move(shown)}})
                << '\n';
  } else {
    if (done->refused > kErrorsShown) {
      context.err << "and " << done->refused - kErrorsShown << " more; --errors FILE takes all\n";
    }
    context.out << done->rows << " rows: " << done->added << " added, " << done->known()
                << " known, " << done->refused << " refused\n";
  }
  return done->refused > 0 ? 1 : 0;
}

}  // namespace ekiden::cli
