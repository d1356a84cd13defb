#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/json/array.hpp>
#include <chrono>
#include <map>

#include "ekiden/cli/context.hpp"
#include "ekiden/cli/fields.hpp"
#include "ekiden/cli/keyboard.hpp"
#include "ekiden/cli/table.hpp"

namespace ekiden::cli {

namespace json = boost::json;

namespace {

constexpr std::size_t kRowsMax = 20;

/// What the rows are of.
struct Kind {
  char key;  ///< switches to it
  const char* name;
  const char* heading;
};
constexpr Kind kKinds[] = {{'s', "site", "SITE"},
                           {'p', "provider", "PROVIDER"},
                           {'o', "source", "SOURCE"},
                           {'t', "tenant", "TENANT"}};

const Kind& kind_of(std::string_view name) {
  for (const Kind& kind : kKinds)
    if (name == kind.name) return kind;
  return kKinds[0];
}

/// One look at the relay.
struct Look {
  std::chrono::steady_clock::time_point at{};
  json::object status;
  json::object summary;                      ///< empty where the queue is not counted by it
  std::map<std::string, json::object> rows;  ///< by name
};

/// Counts between two looks, as "12/s".
class Rates {
 public:
  Rates(const Look& now, const Look* before)
      : seconds_(before == nullptr ? 0
                                   : std::chrono::duration<double>(now.at - before->at).count()) {}

  std::string of(const json::object& now, const json::object* before, const char* key) const {
    if (seconds_ <= 0) return "-";
    return std::to_string(static_cast<std::uint64_t>(value(now, before, key) + 0.5)) + "/s";
  }
  double value(const json::object& now, const json::object* before, const char* key) const {
    const std::uint64_t there = number_of(now, key);
    const std::uint64_t then = before == nullptr ? 0 : number_of(*before, key);
    return seconds_ <= 0 ? 0 : static_cast<double>(there > then ? there - then : 0) / seconds_;
  }

 private:
  double seconds_;
};

std::string heading(const Look& look, const Look* before) {
  const json::object& status = look.status;
  const json::object* const then = before == nullptr ? nullptr : &before->status;
  const Rates rates(look, before);
  std::string out = text_of(status, "hostname") + "  ekiden " + text_of(status, "version") +
                    "  up " + distance(status, "started") + "  " +
                    std::to_string(number_of(status, "workers")) + " workers\n";
  out += "sessions " + std::to_string(number_of(status, "sessions")) + "  connections " +
         std::to_string(number_of(status, "connections")) + "  memory " +
         format_octets(number_of(status, "memory_octets")) + "  spool " +
         format_octets(number_of(status, "disk_octets")) + "\n";
  out += "accepted " + rates.of(status, then, "accepted") + "  delivered " +
         rates.of(status, then, "delivered") + "  deferred " + rates.of(status, then, "deferred") +
         "  bounced " + rates.of(status, then, "bounced") + "\n";
  for (const auto& alert : status.at("alerts").as_array())
    out += "! " + std::string(alert.as_string()) + "\n";
  return out;
}

std::string first_of(const json::object& row) {
  const auto* const holds = row.if_contains("holds");
  if (holds == nullptr || holds->as_array().empty()) return {};
  std::string text(holds->as_array().front().as_string());
  if (holds->as_array().size() > 1)
    text += " (+" + std::to_string(holds->as_array().size() - 1) + ")";
  return text;
}

/// The node's state on one screen; rates are since the look before.
std::string screen(const Look& look, const Look* before, const Kind& kind) {
  const bool is_counted = !look.summary.empty();
  std::vector<std::string> columns_of = {kind.heading};
  for (const char* name : {"QUEUED", "READY", "IN FLIGHT"})
    if (is_counted || name != std::string_view("QUEUED")) columns_of.emplace_back(name);
  for (const char* name : {"CONNECTIONS", "DELIVERED", "DEFERRED", "BOUNCED", "THROTTLED"})
    columns_of.emplace_back(name);
  columns_of.emplace_back("LIMITS AND THE LAST REPLY");
  Table table(columns_of);

  std::map<std::string, json::object> groups;
  if (is_counted)
    for (const auto& value : look.summary.at("groups").as_array())
      groups[text_of(value.as_object(), "name")] = value.as_object();
  const Rates rates(look, before);
  // Who has most waiting comes first, then who delivers most now.
  struct Line {
    double rate;
    std::uint64_t queued;
    std::string name;
    json::object row, group;
    const json::object* then;
  };
  std::vector<Line> lines;
  const auto add = [&](const std::string& name, const json::object& row,
                       const json::object& group) {
    const json::object* then = nullptr;
    if (before != nullptr) {
      const auto found = before->rows.find(name);
      if (found != before->rows.end()) then = &found->second;
    }
    const std::uint64_t queued =
        group.empty() ? number_of(row, "ready") : number_of(group, "queued");
    lines.push_back({rates.value(row, then, "delivered"), queued, name, row, group, then});
  };
  for (const auto& [name, row] : look.rows) {
    const auto group = groups.find(name);
    add(name, row, group == groups.end() ? json::object() : group->second);
    if (group != groups.end()) groups.erase(group);
  }
  for (const auto& [name, group] : groups) add(name, {}, group);
  std::sort(lines.begin(), lines.end(), [](const Line& a, const Line& b) {
    if (a.queued != b.queued) return a.queued > b.queued;
    return a.rate != b.rate ? a.rate > b.rate : a.name < b.name;
  });
  if (lines.size() > kRowsMax) lines.resize(kRowsMax);
  for (const Line& line : lines) {
    const auto number = [&](const char* key) {
      return std::to_string(number_of(line.group.empty() ? line.row : line.group, key));
    };
    std::vector<std::string> cells = {line.name};
    if (is_counted) cells.push_back(number("queued"));
    cells.push_back(number("ready"));
    cells.push_back(number("in_flight"));
    cells.push_back(std::to_string(
        std::max(number_of(line.row, "connections"), number_of(line.group, "connections"))));
    for (const char* key : {"delivered", "deferred", "bounced", "throttled"})
      cells.push_back(rates.of(line.row, line.then, key));
    std::string said = first_of(line.row);
    if (said.empty()) said = text_of(line.group, "state");
    if (const std::string reply = text_of(line.row, "last_reply"); !reply.empty())
      said += (said.empty() ? "" : "; ") + reply;
    cells.push_back(said);
    table.add(std::move(cells));
  }
  return heading(look, before) + "\n" + table.format(columns());
}

/// Nothing when the relay did not answer, which has been said.
std::optional<Look> look_at(Context& context, control::Client& client, const Kind& kind) {
  Look look;
  const auto ask = [&](const control::Request& request,
                       const std::function<bool(const json::object&)>& item, json::object& into) {
    const control::Answer answer = client.call(request, item);
    if (!answer) context.fail(answer.problem);
    if (answer) into = *answer.value;
    return static_cast<bool>(answer);
  };
  if (!ask({"status", {}}, {}, look.status)) return std::nullopt;
  const bool is_counted = kind.key == 's' || kind.key == 't';
  if (is_counted && !ask({"queue.summary", {{"by", kind.name}}}, {}, look.summary))
    return std::nullopt;
  json::object shown;
  const auto see = [&](const json::object& item) {
    look.rows[text_of(item, "name")] = item;
    return true;
  };
  if (!ask({"egress.traffic", {{"by", kind.name}}}, see, shown)) return std::nullopt;
  look.at = std::chrono::steady_clock::now();
  return look;
}

void print_json(Context& context, const Look& look, const Kind& kind) {
  json::object all = look.status;
  if (!look.summary.empty()) all["summary"] = look.summary;
  all["by"] = kind.name;
  json::array rows;
  for (const auto& [name, row] : look.rows) rows.push_back(row);
  all["rows"] = std::move(rows);
  context.print_json(all);
}

void top(Context& context, bool is_once, unsigned interval_s, const std::string& by) {
  auto client = context.connect();
  if (!client) return;
  const Kind* kind = &kind_of(by);
  const bool is_live = !is_once && is_terminal_out();
  Keyboard keyboard;
  std::optional<Look> before;
  for (;;) {
    std::optional<Look> look = look_at(context, *client, *kind);
    if (!look) return;
    if (context.is_json) {
      print_json(context, *look, *kind);
    } else {
      if (is_live) context.print("\033[H\033[J");
      context.print(screen(*look, before ? &*before : nullptr, *kind));
      if (is_live) context.print("\ns site  p provider  o source  t tenant  q quit\n");
    }
    if (is_once) return;
    before = std::move(look);
    const std::optional<char> key = keyboard.wait(interval_s);
    if (!key) continue;
    if (*key == 'q') return;
    for (const Kind& other : kKinds) {
      if (other.key != *key || &other == kind) continue;
      kind = &other;
      before->rows.clear();  // of others: rates begin with the next look
    }
  }
}

}  // namespace

void add_top(CLI::App& app, Context& context) {
  struct Options {
    bool is_once = false;
    unsigned interval_s = 2;
    std::string by = "site";
  };
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("top", "Watch the relay: rates, sessions, sites, providers, sources");
  command->add_flag("--once", options->is_once, "Print one screen and end");
  command->add_option("--interval", options->interval_s, "Seconds between screens")
      ->check(CLI::Range(1, 3600))
      ->capture_default_str();
  command->add_option("--by", options->by, "What the rows are of")
      ->check(CLI::IsMember({"site", "provider", "source", "tenant"}))
      ->capture_default_str();
  command->callback(
      [&context, options] { top(context, options->is_once, options->interval_s, options->by); });
}

}  // namespace ekiden::cli
