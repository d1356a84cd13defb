#include <CLI/CLI.hpp>
#include <chrono>
#include <thread>

#include "ekiden/base/text.hpp"
#include "ekiden/cli/context.hpp"
#include "ekiden/cli/event_lines.hpp"
#include "ekiden/events/reader.hpp"

namespace ekiden::cli {

namespace {

struct Options {
  std::string recipient, tenant, kind, message;
  std::size_t count = 20;
  bool is_once = false;
};

/// Whether a new event is one that was asked for.
bool is_wanted(const events::Query& query, const events::Event& event) {
  return (!query.message || *query.message == event.message) &&
         (!query.kind || *query.kind == event.kind) &&
         (query.tenant.empty() || query.tenant == event.tenant) &&
         (query.recipient.empty() || base::equals_ignoring_case(query.recipient, event.recipient));
}

void tail(Context& context, const Options& options) {
  events::Query query;
  query.recipient = options.recipient;
  query.tenant = options.tenant;
  if (!options.message.empty()) {
    query.message = base::parse_message_id(options.message);
    if (!query.message) return context.fail(kUsage, "\"" + options.message + "\" is no message id");
  }
  if (!options.kind.empty()) {
    query.kind = events::parse_kind(options.kind);
    if (!query.kind)
      return context.fail(kUsage, "there is no kind of event \"" + options.kind + "\"");
  }
  const auto loaded = context.load_config();
  if (!loaded) return;
  events::Reader reader(events_directory(loaded->settings));
  const auto fail = [&](const Error& error) {
    context.fail(kFailed, "the event store: " + error.message());
  };
  const auto print = [&](const events::Event& event) {
    context.print((context.is_json ? events::format_event_json(event) : event_line(event)) + "\n");
  };
  // What comes after this point is followed; what was before, the newest of it, is printed first.
  auto cursor = reader.end();
  if (!cursor) return fail(cursor.error());
  query.limit = options.count;
  query.newest_first = true;
  const auto page = reader.find(query);
  if (!page) return fail(page.error());
  for (auto it = page->events.rbegin(); it != page->events.rend(); ++it) print(it->event);
  while (!options.is_once) {
    constexpr std::size_t kAtOnce = 1000;
    const auto fresh = reader.follow(*cursor, kAtOnce);
    if (!fresh) return fail(fresh.error());
    for (const events::Stored& stored : *fresh) {
      if (is_wanted(query, stored.event)) print(stored.event);
    }
    // The store is a file that another process writes: there is nothing to be woken by.
    if (fresh->empty()) std::this_thread::sleep_for(std::chrono::milliseconds(300));
  }
}

}  // namespace

void add_events(CLI::App& app, Context& context) {
  CLI::App* group = app.add_subcommand("events", "The record of what happened");
  group->require_subcommand(1);
  group->footer("\nExample:\n  ekiden events tail --kind bounced --json\n");
  auto options = std::make_shared<Options>();
  CLI::App* command = group->add_subcommand("tail", "Print events as they come; no relay need run");
  command->add_option("--recipient", options->recipient, "Only of this address");
  command->add_option("--tenant", options->tenant, "Only of this tenant");
  command->add_option("--kind", options->kind, "accepted, delivered, deferred, bounced, …");
  command->add_option("--message", options->message, "Only of this message id");
  command->add_option("-n,--count", options->count, "Start with the newest so many")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  command->add_flag("--once", options->is_once, "Print those and end");
  command->callback([&context, options] { tail(context, *options); });
}

}  // namespace ekiden::cli
