#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>

#include "ekiden/base/text.hpp"
#include "ekiden/cli/context.hpp"
#include "ekiden/cli/event_lines.hpp"
#include "ekiden/cli/fields.hpp"
#include "ekiden/cli/message_view.hpp"
#include "ekiden/cli/operation.hpp"
#include "ekiden/cli/table.hpp"
#include "ekiden/events/reader.hpp"

namespace ekiden::cli {

namespace json = boost::json;

namespace {

/// From the queue, and from the event store what the queue no longer knows.
std::optional<json::object> find_message(Context& context, const std::string& id) {
  const auto loaded = context.load_config();
  if (!loaded) return std::nullopt;
  auto client = control::Client::connect(loaded->settings.node.data_dir);
  if (!client) {
    context.fail(client.problem);
    return std::nullopt;
  }
  const control::Request request{"message.show", {{"message", id}}};
  control::Answer answer = client.value->call(request);
  const std::optional<base::MessageId> message = base::parse_message_id(id);
  const std::string events = events_directory(loaded->settings);
  if (answer && message) complete_from_events(events, *message, *answer.value);
  if (answer) return std::move(*answer.value);
  if (answer.problem.code == "not_found" && message) {
    auto known = message_from_events(events, *message);
    if (known) return known;
  }
  context.fail(answer.problem);
  return std::nullopt;
}

}  // namespace

void show_message(Context& context, const std::string& id) {
  const auto result = find_message(context, id);
  if (!result) return;
  if (context.is_json) return context.print_json(*result);
  context.print_field("message", text_of(*result, "message"));
  context.print_field("accepted", text_of(*result, "accepted"));
  const std::string sender = text_of(*result, "sender");
  context.print_field("sender", sender.empty() ? "<>" : sender);
  context.print_field("tenant", text_of(*result, "tenant"));
  context.print_field("stream", text_of(*result, "stream"));
  context.print_field("client", text_of(*result, "client"));
  context.print_field("identity", text_of(*result, "identity"));
  context.print_field("subject", text_of(*result, "subject"));
  const std::string alignment = text_of(*result, "alignment");
  if (!alignment.empty()) context.print_field("alignment", alignment);
  context.print_field("size", format_octets(number_of(*result, "size")));
  Table table({"RECIPIENT", "STATE", "TRIES", "NEXT", "EXPIRES", "LAST REPLY"});
  for (const auto& value : result->at("recipients").as_array()) {
    const json::object& row = value.as_object();
    table.add({text_of(row, "recipient"), text_of(row, "state"),
               std::to_string(number_of(row, "attempts")), short_time(row, "due"),
               short_time(row, "expires"), text_of(row, "reply")});
  }
  context.print("\n" + table.format(columns()));
  // Terminals obey control characters: a peer's header never reaches one raw.
  std::string header = text_of(*result, "header");
  if (header.empty()) return;
  context.print("\n");
  std::size_t at = 0;
  while (at < header.size()) {
    std::size_t end = header.find('\n', at);
    if (end == std::string::npos) end = header.size();
    std::string_view text = std::string_view(header).substr(at, end - at);
    if (text.ends_with('\r')) text.remove_suffix(1);
    context.print(base::printable(text, 998) + "\n");
    at = end + 1;
  }
}

namespace {

/// How it stands with each recipient, in the end of a trace.
void print_states(Context& context, const std::string& events, base::MessageId message) {
  const auto view = message_from_events(events, message);
  if (!view) return;
  Table table({"RECIPIENT", "STATE", "TRIES", "LAST REPLY"});
  for (const auto& value : view->at("recipients").as_array()) {
    const json::object& row = value.as_object();
    table.add({text_of(row, "recipient"), text_of(row, "state"),
               std::to_string(number_of(row, "attempts")), text_of(row, "reply")});
  }
  if (!table.is_empty()) context.print("\n" + table.format(columns()));
}

/// Everything that the event store has about a message, in the order of its happening.
void trace(Context& context, const std::string& what) {
  const auto loaded = context.load_config();
  if (!loaded) return;
  events::Reader reader(events_directory(loaded->settings));
  events::Query query;
  query.message = base::parse_message_id(what);
  if (!query.message) query.internet_message_id = what;
  query.limit = events::Reader::kLimitMax;
  query.with_transcripts = true;
  std::size_t shown = 0;
  do {
    const auto page = reader.find(query);
    if (!page) return context.fail(kFailed, "the event store: " + page.error().message());
    for (const events::Stored& stored : page->events) {
      context.print(
          (context.is_json ? events::format_event_json(stored.event) : event_line(stored.event)) +
          "\n");
      if (!context.is_json) context.print(transcript_lines(stored.event));
    }
    shown += page->events.size();
    query.after = page->next;
  } while (query.after);
  if (shown > 0 && query.message && !context.is_json)
    print_states(context, events_directory(loaded->settings), *query.message);
  if (shown == 0) {
    context.fail(kRefused, "nothing is known of \"" + base::printable(what, 200) +
                               "\"; events are kept for events.retention");
  }
}

}  // namespace

void add_message(CLI::App& app, Context& context) {
  CLI::App* group = app.add_subcommand("message", "One message: what it is, what happened to it");
  group->require_subcommand(1);
  group->footer("\nExample:\n  ekiden message trace 01arz3ndektsv4rrffq69g5fav\n");
  auto id = std::make_shared<std::string>();
  CLI::App* show = group->add_subcommand("show", "Show a queued message and its recipients");
  show->add_option("message", *id, "Message id")->required();
  show->callback([&context, id] { show_message(context, *id); });
  CLI::App* tracing = group->add_subcommand(
      "trace", "Tell what happened to a message, also when it has left; no relay need run");
  tracing->add_option("message", *id, "Message id, or the Message-ID header")->required();
  tracing->callback([&context, id] { trace(context, *id); });
}

}  // namespace ekiden::cli
