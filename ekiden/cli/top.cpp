#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <chrono>
#include <thread>

#include "ekiden/cli/context.hpp"
#include "ekiden/cli/fields.hpp"
#include "ekiden/cli/table.hpp"

namespace ekiden::cli {

namespace json = boost::json;

namespace {

/// The node's state on one screen; rates are since the screen before.
std::string screen(const json::object& status, const json::object& before, double seconds,
                   const json::object& summary) {
  const auto rate = [&](const char* key) {
    if (seconds <= 0) return std::string("-");
    const std::uint64_t now = number_of(status, key), then = number_of(before, key);
    return std::to_string(static_cast<std::uint64_t>(
               static_cast<double>(now > then ? now - then : 0) / seconds + 0.5)) +
           "/s";
  };
  std::string out = text_of(status, "hostname") + "  ekiden " + text_of(status, "version") +
                    "  up " + distance(status, "started") + "  " +
                    std::to_string(number_of(status, "workers")) + " workers\n";
  out += "sessions " + std::to_string(number_of(status, "sessions")) + "  connections " +
         std::to_string(number_of(status, "connections")) + "  memory " +
         format_octets(number_of(status, "memory_octets")) + "  spool " +
         format_octets(number_of(status, "disk_octets")) + "\n";
  out += "accepted " + rate("accepted") + "  delivered " + rate("delivered") + "  deferred " +
         rate("deferred") + "  bounced " + rate("bounced") + "\n";
  for (const auto& alert : status.at("alerts").as_array()) {
    out += "! " + std::string(alert.as_string()) + "\n";
  }
  Table table({"SITE", "QUEUED", "READY", "IN FLIGHT", "WAITING", "HELD", "CONNECTIONS", ""});
  std::size_t rows = 0;
  constexpr std::size_t kRowsMax = 20;
  for (const auto& value : summary.at("groups").as_array()) {
    if (rows++ == kRowsMax) break;
    const json::object& row = value.as_object();
    const auto number = [&](const char* key) { return std::to_string(number_of(row, key)); };
    table.add({text_of(row, "name"), number("queued"), number("ready"), number("in_flight"),
               number("waiting"), number("held"), number("connections"), text_of(row, "state")});
  }
  return out + "\n" + table.format(columns());
}

void top(Context& context, bool is_once, unsigned interval_s) {
  auto client = context.connect();
  if (!client) return;
  json::object before;
  for (bool is_first = true;; is_first = false) {
    const control::Answer status = client->call({"status", {}});
    if (!status) return context.fail(status.problem);
    const control::Answer summary = client->call({"queue.summary", {}});
    if (!summary) return context.fail(summary.problem);
    if (context.is_json) {
      json::object both = *status.value;
      both["summary"] = *summary.value;
      context.print_json(both);
    } else {
      if (!is_once && is_terminal_out()) context.print("\033[H\033[J");
      context.print(screen(*status.value, before, is_first ? 0 : interval_s, *summary.value));
    }
    if (is_once) return;
    before = *status.value;
    std::this_thread::sleep_for(std::chrono::seconds(interval_s));
  }
}

}  // namespace

void add_top(CLI::App& app, Context& context) {
  struct Options {
    bool is_once = false;
    unsigned interval_s = 2;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("top", "Watch the relay: rates, sessions, sites");
  command->add_flag("--once", options->is_once, "Print one screen and end");
  command->add_option("--interval", options->interval_s, "Seconds between screens")
      ->check(CLI::Range(1, 3600))
      ->capture_default_str();
  command->callback([&context, options] { top(context, options->is_once, options->interval_s); });
}

}  // namespace ekiden::cli
