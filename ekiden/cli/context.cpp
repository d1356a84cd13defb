#include "ekiden/cli/context.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <cstdio>

namespace ekiden::cli {

namespace json = boost::json;

namespace {

void write(std::FILE* to, std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), to);
  std::fflush(to);
}

}  // namespace

std::optional<config::Loaded> Context::load_config() {
  config::Loaded loaded = config::load(config_file);
  if (loaded.ok()) return loaded;
  const auto errors = loaded.errors();
  const bool is_unreadable = errors.size() == 1 && errors.front().line == 0;
  exit_code = is_unreadable ? kFailed : kRefused;
  if (is_json) {
    json::array list;
    for (const auto& error : errors) list.push_back(json::string(format_diagnostic(error)));
    write(stderr, json::serialize(json::object{{"errors", std::move(list)}}) + "\n");
  } else {
    for (const auto& error : errors) write(stderr, format_diagnostic(error) + "\n");
  }
  return std::nullopt;
}

std::optional<control::Client> Context::connect() {
  const auto loaded = load_config();
  if (!loaded) return std::nullopt;
  auto client = control::Client::connect(loaded->settings.node.data_dir);
  if (client) return std::move(*client.value);
  fail(client.problem);
  return std::nullopt;
}

std::optional<json::object> Context::call(const control::Request& request, const SeeItem& see) {
  auto client = connect();
  if (!client) return std::nullopt;
  control::Answer answer = client->call(request, see);
  if (answer) return std::move(*answer.value);
  fail(answer.problem);
  return std::nullopt;
}

control::Answer Context::ask_even_stopped(const config::Settings& settings,
                                          const control::Request& request, const SeeItem& see) {
  auto client = control::Client::connect(settings.node.data_dir);
  if (client) return client.value->call(request, see);
  if (client.problem.code != "not_running" || !hooks.answer_stopped) return client.problem;
  return hooks.answer_stopped(settings, request, see);
}

void Context::fail(int code, std::string_view sentence) {
  exit_code = code;
  if (is_json) {
    write(stderr, json::serialize(json::object{{"error", sentence}}) + "\n");
  } else {
    write(stderr, "ekiden: " + std::string(sentence) + "\n");
  }
}

void Context::fail(const control::Problem& problem) {
  const bool is_refusal =
      problem.code == "not_found" || problem.code == "conflict" || problem.code == "refused";
  fail(problem.code == "bad_request" ? kUsage : is_refusal ? kRefused : kFailed, problem.message);
}

void Context::print(std::string_view text) {
  write(stdout, text);
}

void Context::print_json(const json::object& object) {
  write(stdout, json::serialize(object) + "\n");
}

void Context::print_field(std::string_view name, std::string_view value, std::size_t indent) {
  constexpr std::size_t kNameColumns = 12;
  if (value.empty()) return;
  std::string line(indent, ' ');
  line += name;
  line.resize(std::max(indent + kNameColumns, line.size() + 1), ' ');
  line += value;
  print(line + "\n");
}

ProgressLine::ProgressLine(const Context& context)
    : is_shown_(is_terminal_err() && !context.is_json) {}

void ProgressLine::show(std::uint64_t done, std::uint64_t all, const std::string& more) {
  if (!is_shown_ || all == 0) return;
  // Tenths, because a percent of a large spool takes a while.
  const std::uint64_t tenths =
      static_cast<std::uint64_t>(1000.0 * static_cast<double>(done) / static_cast<double>(all));
  std::string line = std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + "%";
  line.insert(0, 6 - std::min<std::size_t>(line.size(), 6), ' ');
  if (!more.empty()) line += "  " + more;
  if (line == line_) return;
  write(stderr, "\r" + line + "\033[K");
  line_ = std::move(line);
}

void ProgressLine::wipe() {
  if (!line_.empty()) write(stderr, "\r\033[K");
  line_.clear();
}

std::string events_directory(const config::Settings& settings) {
  return settings.node.data_dir + "/events";
}

bool is_terminal_out() {
  return ::isatty(STDOUT_FILENO) == 1;
}
bool is_terminal_err() {
  return ::isatty(STDERR_FILENO) == 1;
}

std::size_t columns() {
  constexpr std::size_t kNoEnd = 100'000;
  if (!is_terminal_out()) return kNoEnd;
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

}  // namespace ekiden::cli
