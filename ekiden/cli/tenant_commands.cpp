#include "ekiden/cli/tenant_commands.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <ostream>

#include "ekiden/account/shapes.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/cli/store_answers.hpp"
#include "ekiden/config/units.hpp"
#include "ekiden/smtp/address.hpp"

namespace ekiden::cli {

namespace json = boost::json;
using account::Limits;
using account::Stream;
using account::StreamKind;
using account::TenantSettings;

namespace {

bool is_off(std::string_view text) {
  return text == "off" || text == "none" || text == "0";
}

/// "off", or a rate of messages: its bucket is as large as its count.
bool read_rate(const std::optional<std::string>& text, account::MessageRate& rate) {
  if (!text) return true;
  if (is_off(*text)) {
    rate = {};
    return true;
  }
  const auto parsed = config::parse_rate(*text);
  if (!parsed || parsed->is_off() || parsed->per > std::chrono::hours(24)) return false;
  rate = {parsed->count, parsed->per};
  return true;
}

bool read_number(const std::optional<std::string>& text, std::uint64_t most,
                 std::uint64_t& number) {
  if (!text) return true;
  if (is_off(*text)) {
    number = 0;
    return true;
  }
  const auto parsed = base::parse_u64(*text);
  if (!parsed || *parsed == 0 || *parsed > most) return false;
  number = *parsed;
  return true;
}

/// As much as a counter holds.
constexpr std::uint64_t kQuotaMax = (1ULL << 48) - 1;

bool read_limits(const std::optional<std::string>& rate, const std::optional<std::string>& day,
                 const std::optional<std::string>& month, Limits& limits, UserContext& context) {
  if (!read_rate(rate, limits.rate)) {
    refuse(context, *rate, "is no rate like 100/min, up to a day long, nor \"off\"", 2);
    return false;
  }
  for (const auto& [text, into] :
       {std::pair(&day, &limits.per_day), std::pair(&month, &limits.per_month)}) {
    if (read_number(*text, kQuotaMax, *into)) continue;
    refuse(context, **text, "is no number of messages, nor \"off\"", 2);
    return false;
  }
  return true;
}

/// "news", "news:bulk", "news:bulk:5".
std::optional<Stream> read_stream(std::string_view text) {
  Stream stream;
  const std::size_t first = text.find(':');
  stream.name = text.substr(0, first);
  stream.kind = stream.name == "transactional" ? StreamKind::Transactional : StreamKind::Bulk;
  if (!account::check_label(stream.name)) return std::nullopt;
  if (first == std::string_view::npos) return stream;
  text.remove_prefix(first + 1);
  const std::size_t second = text.find(':');
  const std::string_view kind = text.substr(0, second);
  const auto parsed = account::parse_stream_kind(kind);
  if (!parsed) return std::nullopt;
  stream.kind = *parsed;
  if (second == std::string_view::npos) return stream;
  const auto weight = base::parse_u64(text.substr(second + 1));
  if (!weight || *weight == 0 || *weight > account::kStreamWeightMax) return std::nullopt;
  stream.weight = static_cast<std::uint32_t>(*weight);
  return stream;
}

std::string limits_text(const Limits& limits) {
  std::string out;
  const auto add = [&](const std::string& text) { out += (out.empty() ? "" : ", ") + text; };
  if (limits.rate.count != 0) add(account::rate_text(limits.rate));
  if (limits.per_day != 0) add(std::to_string(limits.per_day) + " a day");
  if (limits.per_month != 0) add(std::to_string(limits.per_month) + " a month");
  return out.empty() ? "none" : out;
}

}  // namespace

int tenant_show(const std::string& name, UserContext& context) {
  const auto tenant = context.store.tenant(name);
  if (!tenant) return report(context, name, tenant.error());
  const auto usage = context.store.usage(false, name);
  if (!usage) return report(context, name, usage.error());
  const auto domains = context.store.sender_domains(name);
  if (!domains) return report(context, name, domains.error());
  account::SuppressionFilter filter;
  filter.tenant = name;
  const auto suppressed = context.store.count_suppressions(filter);
  if (!suppressed) return report(context, name, suppressed.error());
  const TenantSettings& settings = tenant->settings;
  const std::uint64_t today = account::current(usage->day, account::day_of(context.author.now));
  const std::uint64_t month = account::current(usage->month, account::month_of(context.author.now));
  if (context.is_json) {
    const auto described = account::describe_tenant(context.store, name, context.author.now);
    if (!described) return report(context, name, described.error());
    context.out << json::serialize(*described) << '\n';
    return 0;
  }
  context.out << "tenant " << name << ", " << tenant->credentials << " users\n";
  const auto line = [&](const char* label, const std::string& value) {
    std::string text = std::string("  ") + label;
    text.resize(std::max<std::size_t>(text.size() + 1, 22), ' ');
    context.out << text << value << '\n';
  };
  std::string list;
  for (const Stream& stream : settings.streams)
    list += (list.empty() ? "" : ", ") + stream.name + " (" +
            std::string(account::stream_kind_name(stream.kind)) + ", weight " +
            std::to_string(stream.weight) + ")";
  line("streams", list.empty() ? "any" : list);
  list.clear();
  for (const std::string& domain : settings.sender_domains)
    list += (list.empty() ? "" : ", ") + domain;
  line("sender domains", list.empty() ? "any" : list);
  line("archive", account::describe_archive(settings));
  list.clear();
  for (const account::SenderDomain& domain : *domains)
    if (domain.is_proven()) list += (list.empty() ? "" : ", ") + domain.name;
  line("proven domains",
       (list.empty() ? "none" : list) + (settings.requires_proven_domains ? ", required" : ""));
  line("limits", limits_text(settings.limits));
  line("limits of each user", limits_text(settings.credential_limits));
  line("sent", std::to_string(today) + " today, " + std::to_string(month) + " this month");
  line("suppressed", std::to_string(*suppressed));
  line("soft failures", settings.soft_failures == 0
                            ? "do not suppress"
                            : "suppress after " + std::to_string(settings.soft_failures));
  line("suppressions last", settings.suppression_days == 0
                                ? "for good"
                                : std::to_string(settings.suppression_days) + " days");
  return 0;
}

int tenant_set(const TenantSetOptions& options, UserContext& context) {
  const auto tenant = context.store.tenant(options.name);
  if (!tenant) return report(context, options.name, tenant.error());
  TenantSettings settings = tenant->settings;
  for (const std::string& given : options.streams) {
    auto stream = read_stream(given);
    if (!stream) {
      return refuse(context, given,
                    "is no stream: give name, or name:bulk, or name:transactional:WEIGHT with a "
                    "weight of 1 to 1000",
                    2);
    }
    std::erase_if(settings.streams, [&](const Stream& s) { return s.name == stream->name; });
    settings.streams.push_back(std::move(*stream));
  }
  for (const std::string& name : options.removed_streams) {
    if (std::erase_if(settings.streams, [&](const Stream& s) { return s.name == name; }) == 0)
      return refuse(context, name, "is no stream of this tenant");
  }
  std::sort(settings.streams.begin(), settings.streams.end(),
            [](const Stream& a, const Stream& b) { return a.name < b.name; });
  if (options.sender_domains) {
    settings.sender_domains.clear();
    for (const std::string& given : *options.sender_domains) {
      if (given == "any") continue;
      const bool is_below = given.starts_with("*.");
      const auto domain = smtp::canonical_domain(is_below ? given.substr(2) : given);
      if (!domain) return refuse(context, given, "is no domain", 2);
      settings.sender_domains.push_back((is_below ? "*." : "") + *domain);
    }
  }
  if (!read_limits(options.rate, options.per_day, options.per_month, settings.limits, context) ||
      !read_limits(options.credential_rate, options.credential_per_day,
                   options.credential_per_month, settings.credential_limits, context)) {
    return 2;
  }
  if (options.proven_domains) {
    if (*options.proven_domains != "required" && !is_off(*options.proven_domains))
      return refuse(context, *options.proven_domains, "is neither \"required\" nor \"off\"", 2);
    settings.requires_proven_domains = *options.proven_domains == "required";
  }
  std::uint64_t soft = settings.soft_failures;
  if (!read_number(options.soft_failures, 1000, soft))
    return refuse(context, *options.soft_failures, "is no number up to 1000, nor \"off\"", 2);
  settings.soft_failures = static_cast<std::uint32_t>(soft);
  if (options.suppress_for && (is_off(*options.suppress_for) || *options.suppress_for == "ever")) {
    settings.suppression_days = 0;
  } else if (options.suppress_for) {
    const auto duration = config::parse_duration(*options.suppress_for);
    if (!duration || *duration < std::chrono::days(1) || *duration > std::chrono::days(36'500)) {
      return refuse(context, *options.suppress_for,
                    "is no duration of a day or more, like 180d, nor \"ever\"", 2);
    }
    settings.suppression_days = static_cast<std::uint32_t>(*duration / std::chrono::days(1));
  }
  if (options.archive && !account::read_archive(*options.archive, settings))
    return refuse(context, *options.archive, "names no streams: give all, off or news,receipts", 2);
  const auto set = context.store.set_tenant(options.name, settings, context.author);
  if (!set) return report(context, options.name, set.error());
  return tenant_show(options.name, context);
}

int tenant_remove(const std::string& name, UserContext& context) {
  const auto removed = context.store.remove_tenant(name, context.author);
  if (!removed) return report(context, name, removed.error());
  if (context.is_json) {
    context.out << json::serialize(json::object{{"tenant", name}, {"done", "removed"}}) << '\n';
  } else {
    context.out << "tenant " << name << " removed\n";
  }
  return 0;
}

int user_limit(const UserLimitOptions& options, UserContext& context) {
  const auto known = context.store.credential_limits(options.name);
  if (!known) return report(context, options.name, known.error());
  std::optional<Limits> limits = *known;
  if (options.is_reset) {
    limits.reset();
  } else {
    if (!limits) limits.emplace();
    if (!read_limits(options.rate, options.per_day, options.per_month, *limits, context)) return 2;
  }
  const auto set = context.store.set_credential_limits(options.name, limits, context.author);
  if (!set) return report(context, options.name, set.error());
  const auto usage = context.store.usage(true, options.name);
  if (!usage) return report(context, options.name, usage.error());
  const std::uint64_t today = account::current(usage->day, account::day_of(context.author.now));
  const std::uint64_t month = account::current(usage->month, account::month_of(context.author.now));
  if (context.is_json) {
    context.out << json::serialize(
                       json::object{{"user", options.name},
                                    {"limits", limits ? json::value(account::to_json(*limits))
                                                      : json::value(nullptr)},
                                    {"sent_today", today},
                                    {"sent_this_month", month}})
                << '\n';
  } else {
    context.out << "user " << options.name
                << "  limits=" << (limits ? limits_text(*limits) : "as the tenant says")
                << "  sent: " << today << " today, " << month << " this month\n";
  }
  return 0;
}

int audit_list(const AuditOptions& options, UserContext& context) {
  const bool is_filtered = !options.subject.empty() || !options.action.empty();
  // A filter looks at everything there is.
  const auto entries = context.store.audit(is_filtered ? SIZE_MAX / 2 : options.count);
  if (!entries) return report(context, "audit list", entries.error());
  std::size_t shown = 0;
  for (const account::AuditEntry& entry : *entries) {
    if (!options.subject.empty() && entry.subject != options.subject) continue;
    if (!options.action.empty() && !entry.action.starts_with(options.action)) continue;
    if (++shown > options.count) break;
    if (context.is_json) {
      context.out << json::serialize(account::to_json(entry)) << '\n';
      continue;
    }
    context.out << entry.id << "  " << base::format_rfc3339(entry.time) << "  "
                << base::printable(entry.author, 100);
    if (!entry.origin.empty()) context.out << " (" << base::printable(entry.origin, 100) << ')';
    context.out << "  " << entry.action << "  " << base::printable(entry.subject, 300);
    if (!entry.detail.empty()) context.out << "  " << base::printable(entry.detail, 300);
    context.out << '\n';
    if (!entry.before.empty())
      context.out << "    before: " << base::printable(entry.before, 2000) << '\n';
    if (!entry.after.empty())
      context.out << "    after:  " << base::printable(entry.after, 2000) << '\n';
  }
  return 0;
}

int audit_verify(const AuditOptions& options, UserContext& context) {
  const auto check = context.store.check_audit(options.head);
  if (!check) return report(context, "audit verify", check.error());
  const bool misses_head = !options.head.empty() && !check->has_head;
  const bool is_whole = check->broken_at == 0 && !misses_head;
  if (context.is_json) {
    json::object object = account::to_json(*check);
    object["intact"] = is_whole;
    if (!options.head.empty()) object["head_found"] = check->has_head;
    context.out << json::serialize(object) << '\n';
    return is_whole ? 0 : 1;
  }
  if (check->broken_at != 0) {
    context.out << "entry " << check->broken_at << " does not fit: " << check->problem << '\n';
  }
  if (misses_head) {
    context.out << "the hash " << base::printable(options.head, 80)
                << " is not in the log: entries that were there are gone\n";
  }
  if (is_whole) context.out << "the log is as it was written\n";
  context.out << check->entries << " entries, head " << check->head << '\n';
  return is_whole ? 0 : 1;
}

}  // namespace ekiden::cli
