#pragma once

#include <boost/json/object.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "ekiden/cli/cli.hpp"
#include "ekiden/control/client.hpp"

namespace CLI {
class App;
}

namespace ekiden::cli {

/// What the commands share: the common flags, where to write, what to exit with.
struct Context {
  const Hooks& hooks;
  std::string config_file = "/etc/ekiden/ekiden.toml";
  bool is_json = false;
  int exit_code = kDone;

  /// Reads the configuration. On errors it prints them and sets exit code 1 (or 3 when the file
  /// cannot be read), and gives nothing. Warnings are printed by `config check` and `serve` only.
  std::optional<config::Loaded> load_config();

  /// Connects to the running node, or says why not.
  std::optional<control::Client> connect();
  /// Asks the running node. On a problem it prints it and gives nothing.
  std::optional<boost::json::object> call(const control::Request& request,
                                          const SeeItem& see = nullptr);
  /// Asks the running node, or answers from the stores of one that is stopped.
  control::Answer ask_even_stopped(const config::Settings& settings,
                                   const control::Request& request, const SeeItem& see = nullptr);

  /// Prints one clear sentence to standard error (as JSON with --json) and sets the exit code.
  void fail(int code, std::string_view sentence);
  void fail(const control::Problem& problem);

  /// To standard output.
  void print(std::string_view text);
  void print_json(const boost::json::object& object);
  /// One line, "name  value", with the values below each other; nothing for an empty value.
  void print_field(std::string_view name, std::string_view value, std::size_t indent = 0);
};

/// What a long command says of itself while it runs: one line on the terminal's standard error,
/// written anew, wiped when it ends. Nothing where standard error is no terminal, or with --json.
class ProgressLine {
 public:
  explicit ProgressLine(const Context& context);
  ~ProgressLine() { wipe(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  void show(std::uint64_t done, std::uint64_t all, const std::string& more = {});
  void wipe();

 private:
  bool is_shown_;
  std::string line_;  ///< on the terminal now
};

/// Where the node keeps its events.
std::string events_directory(const config::Settings& settings);

/// Whether people read what goes there.
bool is_terminal_out();
bool is_terminal_err();
/// Columns of the terminal, 80 when unknown, very many when output goes elsewhere.
std::size_t columns();

// The commands, by group; each adds its subcommands to the app.
void add_serve(CLI::App& app, Context& context);
void add_config(CLI::App& app, Context& context);
void add_user(CLI::App& app, Context& context);
void add_user_limit(CLI::App& users, Context& context);
void add_tenant_settings(CLI::App& tenants, Context& context);
void add_suppression(CLI::App& app, Context& context);
void add_audit(CLI::App& app, Context& context);
void add_domain(CLI::App& app, Context& context);
void add_key(CLI::App& app, Context& context);
void add_dkim(CLI::App& app, Context& context);
void add_queue(CLI::App& app, Context& context);
void add_message(CLI::App& app, Context& context);
void add_operation(CLI::App& app, Context& context);
void add_spool(CLI::App& app, Context& context);
void add_events(CLI::App& app, Context& context);
void add_stats(CLI::App& app, Context& context);
void add_webhook(CLI::App& app, Context& context);
void add_rewrite(CLI::App& app, Context& context);
void add_top(CLI::App& app, Context& context);
void add_warmup(CLI::App& app, Context& context);
void add_tls_report(CLI::App& app, Context& context);
void add_doctor(CLI::App& app, Context& context);
void add_check(CLI::App& app, Context& context);
void add_classify(CLI::App& app, Context& context);
void add_sign(CLI::App& app, Context& context);
void add_parse(CLI::App& app, Context& context);

}  // namespace ekiden::cli
