#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <chrono>
#include <memory>
#include <sstream>

#include "ekiden/cli/context.hpp"
#include "ekiden/cli/event_filter.hpp"
#include "ekiden/cli/table.hpp"
#include "ekiden/events/stats.hpp"

namespace ekiden::cli {

namespace {

namespace json = boost::json;
using events::StatsQuery;

struct StatsOptions {
  EventFilter filter;
  std::string by = "day";
  std::size_t limit = 20;
};

/// "hour,domain": a time, and a name to tell apart; or one of them.
bool read_by(const std::string& text, StatsQuery& query) {
  query.time = StatsQuery::Time::None;
  std::istringstream words(text);
  for (std::string one; std::getline(words, one, ',');) {
    const bool is_named = query.by_tenant || query.by != events::Dimension::All;
    const auto dimension = events::parse_dimension(one);
    if ((one == "day" || one == "hour") && query.time == StatsQuery::Time::None) {
      query.time = one == "day" ? StatsQuery::Time::Day : StatsQuery::Time::Hour;
    } else if (one == "tenant" && !is_named) {
      query.by_tenant = true;
    } else if (dimension && !is_named) {
      query.by = *dimension;
    } else {
      return false;
    }
  }
  return !text.empty();
}

std::string time_of(const events::Stats::Group& group, StatsQuery::Time time) {
  const std::string text = base::format_rfc3339(group.time);
  return time == StatsQuery::Time::Day ? text.substr(0, 10) : text.substr(0, 13) + ":00Z";
}

json::object figures(const events::Counts& counts) {
  json::object object;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const std::string_view kind = events::kind_name(static_cast<events::Kind>(i));
    if (counts[i] != 0) object[json::string_view(kind.data(), kind.size())] = counts[i];
  }
  return object;
}

json::object to_json(const events::Stats& stats, const StatsQuery& query) {
  json::array rows;
  for (const events::Stats::Group& group : stats.groups) {
    json::object row;
    if (query.time != StatsQuery::Time::None) row["time"] = time_of(group, query.time);
    if (query.by_tenant || query.by != events::Dimension::All)
      row["name"] = group.is_rest ? json::value(nullptr) : json::value(json::string(group.name));
    row["events"] = figures(group.counts);
    rows.push_back(std::move(row));
  }
  return json::object{{"stats", std::move(rows)},
                      {"totals", figures(stats.totals)},
                      {"is_complete", stats.is_complete}};
}

void print_table(Context& context, const events::Stats& stats, const StatsQuery& query) {
  const bool has_time = query.time != StatsQuery::Time::None;
  const bool has_name = query.by_tenant || query.by != events::Dimension::All;
  // A column for each kind that there is.
  std::vector<std::size_t> kinds;
  std::vector<std::string> heading;
  if (has_time) heading.push_back("TIME");
  if (has_name) heading.push_back("NAME");
  for (std::size_t i = 0; i < stats.totals.size(); ++i) {
    if (stats.totals[i] == 0) continue;
    kinds.push_back(i);
    heading.emplace_back(events::kind_name(static_cast<events::Kind>(i)));
    for (char& c : heading.back()) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
  }
  if (kinds.empty()) return context.print("no events\n");
  Table table(heading);
  const auto add = [&](std::string time, std::string name, const events::Counts& counts) {
    std::vector<std::string> row;
    if (has_time) row.push_back(std::move(time));
    if (has_name) row.push_back(std::move(name));
    for (const std::size_t kind : kinds) row.push_back(std::to_string(counts[kind]));
    table.add(std::move(row));
  };
  for (const events::Stats::Group& group : stats.groups)
    add(has_time ? time_of(group, query.time) : "", group.is_rest ? "(others)" : group.name,
        group.counts);
  if (has_time || has_name) add("total", has_time ? "" : "total", stats.totals);
  context.print(table.format(columns()));
  if (!stats.is_complete)
    context.print("not complete: there is more than is looked at; ask for less time\n");
}

void show_stats(Context& context, const StatsOptions& options) {
  const base::Time now =
      std::chrono::time_point_cast<base::Duration>(std::chrono::system_clock::now());
  std::string problem;
  const auto filter = options.filter.read(now, problem);
  if (!filter) return context.fail(kUsage, problem);
  StatsQuery query;
  if (!read_by(options.by, query))
    return context.fail(kUsage,
                        "--by takes hour or day, and one of tenant, stream, tag, domain, provider "
                        "and source, not \"" +
                            options.by + "\"");
  query.filter = *filter;
  query.names_max = options.limit;
  if (!query.filter.from) query.filter.from = now - std::chrono::hours(24 * 7);
  const auto loaded = context.load_config();
  if (!loaded) return;
  events::Reader reader(events_directory(loaded->settings));
  const auto stats = events::count_events(reader, query);
  if (!stats) return context.fail(kFailed, "the event store: " + stats.error().message());
  if (context.is_json) return context.print_json(to_json(*stats, query));
  print_table(context, *stats, query);
}

}  // namespace

void add_stats(CLI::App& app, Context& context) {
  auto options = std::make_shared<StatsOptions>();
  CLI::App* command =
      app.add_subcommand("stats", "How many events of each kind there were; no relay need run");
  command->footer(
      "\nExamples:\n"
      "  ekiden stats --by domain --from 1d\n"
      "  ekiden stats --by hour,provider --kind deferred\n"
      "  ekiden stats --by tenant --json\n");
  command
      ->add_option("--by", options->by,
                   "hour or day, and one of tenant, stream, tag, domain, provider, source")
      ->capture_default_str();
  command->add_option("-n,--limit", options->limit, "Names told apart, those with the most events")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  options->filter.add_to(*command, EventFilter::Range::FromUntil);
  command->callback([&context, options] { show_stats(context, *options); });
}

}  // namespace ekiden::cli
