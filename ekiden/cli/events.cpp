#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory>
#include <ostream>
#include <thread>

#include "ekiden/archive/copies.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/bulk/store.hpp"
#include "ekiden/cli/context.hpp"
#include "ekiden/cli/event_export.hpp"
#include "ekiden/cli/event_filter.hpp"
#include "ekiden/cli/event_lines.hpp"
#include "ekiden/cli/store_access.hpp"
#include "ekiden/events/erasure.hpp"
#include "ekiden/events/reader.hpp"
#include "ekiden/smtp/address.hpp"

namespace ekiden::cli {

namespace {

namespace json = boost::json;

base::Time now() {
  return std::chrono::time_point_cast<base::Duration>(std::chrono::system_clock::now());
}

void print_event(Context& context, const events::Event& event) {
  context.print((context.is_json ? events::format_event_json(event) : event_line(event)) + "\n");
}

void fail_to_read(Context& context, const Error& error) {
  context.fail(kFailed, "the event store: " + error.message());
}

struct TailOptions {
  EventFilter filter;
  std::size_t count = 20;
  bool is_once = false;
};

void tail(Context& context, const TailOptions& options) {
  std::string problem;
  auto query = options.filter.read(now(), problem);
  if (!query) return context.fail(kUsage, problem);
  const auto loaded = context.load_config();
  if (!loaded) return;
  events::Reader reader(events_directory(loaded->settings));
  // What comes after this point is followed; what was before, the newest of it, is printed first.
  auto cursor = reader.end();
  if (!cursor) return fail_to_read(context, cursor.error());
  query->limit = options.count;
  query->newest_first = true;
  const auto page = reader.find(*query);
  if (!page) return fail_to_read(context, page.error());
  for (auto it = page->events.rbegin(); it != page->events.rend(); ++it) {
    print_event(context, it->event);
  }
  while (!options.is_once) {
    constexpr std::size_t kAtOnce = 1000;
    const auto fresh = reader.follow(*cursor, kAtOnce);
    if (!fresh) return fail_to_read(context, fresh.error());
    for (const events::Stored& stored : *fresh) {
      if (events::matches(*query, stored.event)) print_event(context, stored.event);
    }
    // The store is a file that another process writes: there is nothing to be woken by.
    if (fresh->empty()) std::this_thread::sleep_for(std::chrono::milliseconds(300));
  }
}

struct ListOptions {
  EventFilter filter;
  std::size_t limit = 50;
  bool is_oldest_first = false;
  std::string after;
};

void list(Context& context, const ListOptions& options) {
  std::string problem;
  auto query = options.filter.read(now(), problem);
  if (!query) return context.fail(kUsage, problem);
  query->limit = options.limit;
  query->newest_first = !options.is_oldest_first;
  if (!options.after.empty()) {
    query->after = events::parse_position(options.after);
    if (!query->after) {
      return context.fail(kUsage,
                          "\"" + options.after + "\" is no cursor: `next` of a page is one");
    }
  }
  const auto loaded = context.load_config();
  if (!loaded) return;
  events::Reader reader(events_directory(loaded->settings));
  const auto page = reader.find(*query);
  if (!page) return fail_to_read(context, page.error());
  const std::string next = page->next ? events::format_position(*page->next) : "";
  if (context.is_json) {
    json::array rows;
    for (const events::Stored& stored : page->events) {
      rows.push_back(json::parse(events::format_event_json(stored.event)));
    }
    json::object answer{{"events", std::move(rows)}};
    answer["next"] = next.empty() ? json::value(nullptr) : json::value(next);
    return context.print_json(answer);
  }
  for (const events::Stored& stored : page->events) print_event(context, stored.event);
  if (page->events.empty() && next.empty()) context.print("no such events\n");
  if (!next.empty()) context.print("more: --after " + next + "\n");
}

struct ExportOptions {
  EventFilter filter;
  std::string format = "jsonl";
  std::string output;
};

/// Closes a file that is not standard output.
struct CloseFile {
  void operator()(std::FILE* file) const {
    if (file != stdout) std::fclose(file);
  }
};

void export_events(Context& context, const ExportOptions& options) {
  std::string problem;
  auto query = options.filter.read(now(), problem);
  if (!query) return context.fail(kUsage, problem);
  const auto loaded = context.load_config();
  if (!loaded) return;
  const std::unique_ptr<std::FILE, CloseFile> file(
      options.output.empty() ? stdout : std::fopen(options.output.c_str(), "wbxe"));
  if (!file) {
    return context.fail(kFailed, options.output + " cannot be made: " + std::strerror(errno));
  }
  const bool is_csv = options.format == "csv";
  bool is_written = true;
  const auto write = [&](const std::string& text) {
    is_written = is_written && std::fwrite(text.data(), 1, text.size(), file.get()) == text.size();
  };
  if (is_csv) write(event_csv_head());
  events::Reader reader(events_directory(loaded->settings));
  query->limit = events::Reader::kLimitMax;
  std::uint64_t count = 0;
  do {
    const auto page = reader.find(*query);
    if (!page) return fail_to_read(context, page.error());
    for (const events::Stored& stored : page->events) {
      write(is_csv ? event_csv_line(stored.event) : events::format_event_json(stored.event) + "\n");
    }
    count += page->events.size();
    query->after = page->next;
  } while (query->after && is_written);
  is_written = std::fflush(file.get()) == 0 && is_written;
  if (!is_written) return context.fail(kFailed, "the export could not be written whole");
  if (!options.output.empty() && !context.is_json) {
    context.print(std::to_string(count) + " events in " + options.output + "\n");
  }
}

/// From lists that wait for their jobs, and reports of what was left out of them.
Result<std::uint64_t> erase_from_jobs(const std::string& data_dir, const std::string& recipient) {
  const auto store = bulk::Store::open(data_dir, nullptr);
  if (!store) return store.error();
  const auto parsed = smtp::parse_address(recipient);
  return (*store)->erase(parsed ? smtp::comparison_key(*parsed) : recipient, recipient);
}

void erase(Context& context, const std::string& recipient) {
  if (recipient.find('@') == std::string::npos) {
    return context.fail(kUsage, "\"" + base::printable(recipient, 100) + "\" is no address");
  }
  const auto loaded = context.load_config();
  if (!loaded) return;
  const std::string directory = events_directory(loaded->settings);
  with_store(context, [&](UserContext& user) {
    const auto erased = events::erase_recipient(directory, recipient);
    if (!erased) {
      user.err << "ekiden: the event store: " << erased.error().message()
               << "; run it again: what is erased stays so\n";
      return static_cast<int>(kFailed);
    }
    const auto copies = archive::erase_copies(loaded->settings.node.data_dir + "/archive",
                                              user.node_key, recipient);
    if (!copies) {
      user.err << "ekiden: the archive: " << copies.error().message()
               << "; run it again: what is erased stays so\n";
      return static_cast<int>(kFailed);
    }
    const auto rows = erase_from_jobs(loaded->settings.node.data_dir, recipient);
    if (!rows) {
      user.err << "ekiden: the bulk jobs: " << rows.error().message()
               << "; run it again: what is erased stays so\n";
      return static_cast<int>(kFailed);
    }
    // The log names the person by a keyed hash only: it must not keep what was erased.
    const std::string name =
        base::encode_hex(user.node_key.hash("erased recipient", recipient)).substr(0, 16);
    const auto noted =
        user.store.add_audit("events.erase", "recipient " + name,
                             std::to_string(*erased) + " events, " + std::to_string(*copies) +
                                 " archived messages, " + std::to_string(*rows) + " lines of jobs",
                             user.author);
    if (!noted) {
      user.err << "ekiden: the audit log: " << noted.error().message() << '\n';
      return static_cast<int>(kFailed);
    }
    if (user.is_json) {
      user.out << json::serialize(json::object{
                      {"erased", *erased}, {"archived", *copies}, {"job_lines", *rows}})
               << '\n';
    } else {
      user.out << *erased << " events do not name " << base::printable(recipient, 300)
               << " any more; " << *copies << " archived messages and " << *rows
               << " lines of bulk jobs are gone\n";
    }
    return static_cast<int>(kDone);
  });
}

void add_list(CLI::App& group, Context& context, const char* name, const char* what) {
  auto options = std::make_shared<ListOptions>();
  CLI::App* command = group.add_subcommand(name, what);
  options->filter.add_to(*command, EventFilter::Range::FromUntil);
  command->add_option("-n,--limit", options->limit, "At most so many")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  command->add_flag("--oldest-first", options->is_oldest_first, "In the order of their happening");
  command->add_option("--after", options->after, "The page behind this cursor")
      ->type_name("CURSOR");
  command->callback([&context, options] { list(context, *options); });
}

}  // namespace

void add_events(CLI::App& app, Context& context) {
  CLI::App* group = app.add_subcommand("events", "The record of what happened; no relay need run");
  group->require_subcommand(1);
  group->footer(
      "\nExamples:\n"
      "  ekiden events tail --kind bounced --json\n"
      "  ekiden events search --recipient user@example.jp --from 2d\n"
      "  ekiden events export --from 2026-11-01 --until 2026-12-01 --format csv > november.csv\n");
  add_list(*group, context, "list", "The newest events, a page of them");
  add_list(*group, context, "search", "The same as list; the flags say what to look for");

  auto tailing = std::make_shared<TailOptions>();
  CLI::App* command = group->add_subcommand("tail", "Print events as they come, until Ctrl-C");
  tailing->filter.add_to(*command, EventFilter::Range::None);
  command->add_option("-n,--count", tailing->count, "Start with the newest so many")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  command->add_flag("--once", tailing->is_once, "Print those and end");
  command->callback([&context, tailing] { tail(context, *tailing); });

  auto exporting = std::make_shared<ExportOptions>();
  command = group->add_subcommand("export", "Write all events of a choice, oldest first");
  exporting->filter.add_to(*command, EventFilter::Range::FromUntil);
  command->add_option("--format", exporting->format, "jsonl or csv")
      ->check(CLI::IsMember({"jsonl", "csv"}))
      ->capture_default_str();
  command->add_option("--output", exporting->output, "A new file; without it, standard output")
      ->type_name("FILE");
  command->callback([&context, exporting] { export_events(context, *exporting); });

  auto recipient = std::make_shared<std::string>();
  command = group->add_subcommand("erase", "Erase one person from all events, for good");
  command->add_option("--recipient", *recipient, "Whose address")->required()->type_name("ADDRESS");
  command->callback([&context, recipient] { erase(context, *recipient); });
}

}  // namespace ekiden::cli
