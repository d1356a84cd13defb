#include <sys/ioctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <chrono>

#include "ekiden/cli/context.hpp"
#include "ekiden/cli/fields.hpp"
#include "ekiden/cli/keyboard.hpp"
#include "ekiden/cli/top_screen.hpp"

namespace ekiden::cli {

namespace json = boost::json;
using std::chrono::steady_clock;

namespace {

/// The terminal's other screen, while it lives: what was there before comes back.
class OtherScreen {
 public:
  explicit OtherScreen(Context& context) : context_(context) {
    context_.print("\033[?1049h\033[?25l");
  }
  ~OtherScreen() { context_.print("\033[?25h\033[?1049l"); }
  OtherScreen(const OtherScreen&) = delete;
  OtherScreen& operator=(const OtherScreen&) = delete;

  /// Line by line over what is there, so that nothing flickers.
  void show(const std::string& text) {
    std::string out = "\033[H";
    for (const char c : text) {
      if (c == '\n') out += "\033[K\r";
      out += c;
    }
    context_.print(out + "\033[K\033[J");
  }

 private:
  Context& context_;
};

std::size_t lines() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0) return 24;
  return size.ws_row;
}

/// Nothing when the relay did not answer; `problem` says why.
std::optional<TopLook> look_at(control::Client& client, const TopKind& kind,
                               control::Problem& problem) {
  TopLook look;
  const auto ask = [&](const control::Request& request,
                       const std::function<bool(const json::object&)>& item, json::object& into) {
    const control::Answer answer = client.call(request, item);
    if (answer) into = *answer.value;
    if (!answer) problem = answer.problem;
    return static_cast<bool>(answer);
  };
  if (!ask({"status", {}}, {}, look.status)) return std::nullopt;
  if (kind.is_counted && !ask({"queue.summary", {{"by", kind.name}}}, {}, look.summary))
    return std::nullopt;
  json::object shown;
  const auto see = [&](const json::object& item) {
    look.rows[text_of(item, "name")] = item;
    return true;
  };
  if (!ask({"egress.traffic", {{"by", kind.name}}}, see, shown)) return std::nullopt;
  look.at = steady_clock::now();
  return look;
}

void print_json(Context& context, const TopLook& look, const TopKind& kind) {
  json::object all = look.status;
  if (!look.summary.empty()) all["summary"] = look.summary;
  all["by"] = kind.name;
  json::array rows;
  for (const auto& [name, row] : look.rows) rows.push_back(row);
  all["rows"] = std::move(rows);
  context.print_json(all);
}

/// On a terminal, until a key ends it. The relay's problem, when that ended it.
std::optional<control::Problem> watch(Context& context, control::Client& client, TopView view,
                                      std::chrono::seconds interval) {
  Keyboard keyboard;
  OtherScreen screen(context);
  view.has_keys = keyboard.is_terminal();
  std::optional<TopLook> now, before;
  control::Problem problem;
  for (auto due = steady_clock::now();;) {
    if (steady_clock::now() >= due) {
      before = std::exchange(now, look_at(client, *view.kind, problem));
      if (!now) return problem;
      due = steady_clock::now() + interval;
    }
    view.columns = columns();
    view.lines = lines();
    screen.show(format_top(*now, before ? &*before : nullptr, view));
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::max(due - steady_clock::now(), steady_clock::duration{}));
    const std::optional<char> key = keyboard.wait(left);
    if (!key) continue;
    const TopStep step = press(view, *key);
    if (step == TopStep::End) return std::nullopt;
    if (step == TopStep::LookAgain) {
      // Rows of another kind: rates begin with the look behind the next.
      due = steady_clock::now();
      now.reset();
    }
  }
}

struct Options {
  bool is_once = false;
  unsigned interval_s = 2;
  std::string by = "site", sort = "waiting", filter;
};

void top(Context& context, const Options& options) {
  auto client = context.connect();
  if (!client) return;
  TopView view;
  view.kind = find_top_kind(options.by);
  view.order = find_top_order(options.sort);
  view.filter = options.filter;
  const std::chrono::seconds interval(options.interval_s);
  if (!options.is_once && !context.is_json && is_terminal_out()) {
    if (const auto problem = watch(context, *client, view, interval)) context.fail(*problem);
    return;
  }
  view.columns = columns();
  Keyboard keyboard;
  std::optional<TopLook> before;
  for (;;) {
    control::Problem problem;
    std::optional<TopLook> look = look_at(*client, *view.kind, problem);
    if (!look) return context.fail(problem);
    if (context.is_json) {
      print_json(context, *look, *view.kind);
    } else {
      context.print(format_top(*look, before ? &*before : nullptr, view));
    }
    if (options.is_once) return;
    before = std::move(look);
    const std::optional<char> key = keyboard.wait(interval);
    if (key && (*key == 'q' || *key == Keyboard::kInterrupt)) return;
  }
}

/// Of names in a table, for CLI11.
template <class Table>
std::vector<std::string> names_of(const Table& table) {
  std::vector<std::string> names;
  for (const auto& one : table) names.emplace_back(one.name);
  return names;
}

}  // namespace

void add_top(CLI::App& app, Context& context) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("top", "Watch the relay: rates, sessions, sites, providers, sources");
  command->add_flag("--once", options->is_once, "Print one screen and end");
  command->add_option("--interval", options->interval_s, "Seconds between screens")
      ->check(CLI::Range(1, 3600))
      ->capture_default_str();
  command->add_option("--by", options->by, "What the rows are of")
      ->check(CLI::IsMember(names_of(kTopKinds)))
      ->capture_default_str();
  command->add_option("--sort", options->sort, "Which rows come first")
      ->check(CLI::IsMember(names_of(kTopOrders)))
      ->capture_default_str();
  command->add_option("--filter", options->filter,
                      "Only rows with this in their name, limits or last reply");
  command->callback([&context, options] { top(context, *options); });
}

}  // namespace ekiden::cli
