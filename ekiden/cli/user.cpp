#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <iostream>

#include "ekiden/cli/context.hpp"
#include "ekiden/cli/store_access.hpp"
#include "ekiden/cli/user_commands.hpp"

namespace ekiden::cli {

namespace {

void add_secret_flags(CLI::App& command, UserSecretOptions& secret) {
  command.add_flag("--password-stdin", secret.password_stdin,
                   "Read the password from standard input, one line");
  command.add_flag("--api-key", secret.api_key, "Make a random key and show it, this once");
  command.add_flag("--scram", secret.scram, "Keep what SCRAM-SHA-256 needs as well");
}

/// Where somebody sits who types this: the terminal, and the address that SSH says it is of.
std::string origin_of_command() {
  std::string origin;
  if (const char* terminal = ::ttyname(STDIN_FILENO)) origin = terminal;
  const char* ssh = std::getenv("SSH_CONNECTION");
  if (ssh != nullptr && *ssh != '\0') {
    const std::string_view connection(ssh);
    origin += origin.empty() ? "" : ", ";
    origin += connection.substr(0, connection.find(' '));
  }
  return origin;
}

/// A running node counts what was changed before the command ends: the next login works. Without
/// one, or when it may not be asked, the store alone knows, and the node looks by itself.
void tell_node(const config::Settings& settings) {
  auto client = control::Client::connect(settings.node.data_dir);
  if (client) (void)client.value->call({std::string(control::kStoreRefresh), {}});
}

}  // namespace

void with_store(Context& context, const std::function<int(UserContext&)>& work) {
  const auto loaded = context.load_config();
  if (!loaded) return;
  const config::Settings& settings = loaded->settings;
  const auto now = std::chrono::time_point_cast<base::Duration>(std::chrono::system_clock::now());
  std::string problem;
  const auto store = account::Store::open(settings.node.data_dir, now, &problem);
  if (!store) {
    const std::string why = problem.empty() ? store.error().message() : problem;
    return context.fail(kFailed, "the control store in " + settings.node.data_dir + ": " + why);
  }
  base::SystemRandom random;
  const auto key = account::load_node_key(settings.node.data_dir, random);
  if (!key) {
    return context.fail(kFailed, settings.node.data_dir + "/secret.key: " + key.error().message());
  }
  const char* login = ::getlogin();
  UserContext user{
      .store = **store,
      .node_key = *key,
      .random = random,
      .author = {std::string(login != nullptr ? login : "uid ") +
                     (login != nullptr ? "" : std::to_string(::getuid())) + " on the command line",
                 now, origin_of_command()},
      .in = std::cin,
      .out = std::cout,
      .err = std::cerr,
      .is_json = context.is_json,
      .cost = {.passes = settings.passwords.iterations, .memory = settings.passwords.memory}};
  const std::int64_t before = (*store)->rows_written();
  context.exit_code = work(user);
  if ((*store)->rows_written() != before) tell_node(settings);
}

void add_user(CLI::App& app, Context& context) {
  CLI::App* group = app.add_subcommand("user", "Who may log in; no relay need run");
  group->require_subcommand(1);
  group->footer(
      "\nExamples:\n"
      "  pwgen 20 1 | tee pw | ekiden user add shop --password-stdin --sender-domain example.jp\n"
      "  ekiden user add batch --api-key --stream bulk --network 10.1.0.0/16\n");

  auto add_options = std::make_shared<UserAddOptions>();
  CLI::App* add = group->add_subcommand("add", "Add a user");
  add->add_option("name", add_options->name, "The name to log in with")->required();
  add_secret_flags(*add, add_options->secret);
  add->add_option("--tenant", add_options->tenant, "Whose mail it is")->capture_default_str();
  add->add_option("--stream", add_options->stream, "What kind of mail it is")
      ->capture_default_str();
  add->add_option("--sender-domain", add_options->sender_domains,
                  "Only as sender of this domain; repeat it");
  add->add_option("--network", add_options->networks, "Only from this network; repeat it");
  add->add_option("--certificate-sha256", add_options->certificate_sha256,
                  "A client certificate's fingerprint that logs in as this user");
  add->callback([&context, add_options] {
    with_store(context, [&](UserContext& user) { return user_add(*add_options, user); });
  });

  auto passwd_options = std::make_shared<UserPasswdOptions>();
  CLI::App* passwd = group->add_subcommand("passwd", "Replace a user's password or key");
  passwd->add_option("name", passwd_options->name, "The user")->required();
  add_secret_flags(*passwd, passwd_options->secret);
  passwd->callback([&context, passwd_options] {
    with_store(context, [&](UserContext& user) { return user_passwd(*passwd_options, user); });
  });

  auto list_options = std::make_shared<UserListOptions>();
  CLI::App* list = group->add_subcommand("list", "List users");
  list->add_option("--tenant", list_options->tenant, "Only of this tenant");
  list->callback([&context, list_options] {
    with_store(context, [&](UserContext& user) { return user_list(*list_options, user); });
  });

  auto name = std::make_shared<std::string>();
  CLI::App* remove = group->add_subcommand("remove", "Remove a user; open sessions end");
  remove->add_option("name", *name, "The user")->required();
  remove->callback([&context, name] {
    with_store(context, [&](UserContext& user) { return user_remove(*name, user); });
  });

  add_user_limit(*group, context);

  CLI::App* tenants = app.add_subcommand("tenant", "Whose mail is kept apart");
  tenants->require_subcommand(1);
  auto tenant = std::make_shared<std::string>();
  CLI::App* tenant_adding = tenants->add_subcommand("add", "Add a tenant");
  tenant_adding->add_option("name", *tenant, "Its name")->required();
  tenant_adding->callback([&context, tenant] {
    with_store(context, [&](UserContext& user) { return tenant_add(*tenant, user); });
  });
  tenants->add_subcommand("list", "List tenants")->callback([&context] {
    with_store(context, [](UserContext& user) { return tenant_list(user); });
  });
  add_tenant_settings(*tenants, context);
}

}  // namespace ekiden::cli
