#include <CLI/CLI.hpp>
#include <chrono>
#include <thread>

#include "ekiden/cli/context.hpp"
#include "ekiden/cli/store_access.hpp"
#include "ekiden/cli/webhook_commands.hpp"

namespace ekiden::cli {

namespace {

using Command = std::function<int(WebhookContext&)>;

void with_webhooks(Context& context, const Command& work) {
  const auto loaded = context.load_config();
  if (!loaded) return;
  with_store(context, [&](UserContext& user) {
    WebhookContext hooks{
        user, loaded->settings,
        [&] { return control::Client::connect(loaded->settings.node.data_dir).value.has_value(); },
        [] { std::this_thread::sleep_for(std::chrono::milliseconds(100)); }};
    return work(hooks);
  });
}

/// A subcommand on one webhook, named by its number.
CLI::App* add_one(CLI::App& group, const char* name, const char* what, std::int64_t& id) {
  CLI::App* command = group.add_subcommand(name, what);
  command->add_option("id", id, "The webhook's number")->required();
  return command;
}

void add_filters(CLI::App& command, std::vector<std::string>& kinds,
                 std::vector<std::string>& streams, std::uint32_t& batch) {
  command.add_option("--kind", kinds, "Only events of this kind; repeat it, or \"all\"");
  command.add_option("--stream", streams, "Only events of this stream; repeat it, or \"all\"");
  command.add_option("--batch", batch, "At most so many events in one post; 1: the event itself");
}

void add_changes(CLI::App& group, Context& context) {
  auto adding = std::make_shared<WebhookAddOptions>();
  CLI::App* command = group.add_subcommand("add", "Post a tenant's events to a URL");
  command->add_option("url", adding->url, "https://…")->required();
  command->add_option("--tenant", adding->tenant, "Whose events")->capture_default_str();
  command
      ->add_option("--format", adding->format,
                   "standard, sendgrid, blastengine, slack, teams, chatwork or lineworks")
      ->capture_default_str();
  add_filters(*command, adding->kinds, adding->streams, adding->batch);
  command->add_flag("--secret-stdin", adding->secret_stdin,
                    "Read the secret from standard input, one line");
  command->callback([&context, adding] {
    with_webhooks(context, [&](WebhookContext& hooks) { return webhook_add(*adding, hooks); });
  });

  auto setting = std::make_shared<WebhookSetOptions>();
  command = add_one(group, "set", "Change it", setting->id);
  command->add_option("--url", setting->url, "Post there from now on");
  add_filters(*command, setting->kinds, setting->streams, setting->batch);
  command->add_option("--state", setting->state,
                      "active or paused; what is not posted waits for events.retention");
  command->add_flag("--skip-waiting", setting->skip_waiting, "Leave out what waits now");
  command->callback([&context, setting] {
    with_webhooks(context, [&](WebhookContext& hooks) { return webhook_set(*setting, hooks); });
  });

  auto rotating = std::make_shared<WebhookRotateOptions>();
  command = add_one(group, "rotate", "Give it a new secret", rotating->id);
  command->add_option("--keep", rotating->keep, "How long the old one is valid as well")
      ->capture_default_str();
  command->add_flag("--secret-stdin", rotating->secret_stdin,
                    "Read the secret from standard input, one line");
  command->callback([&context, rotating] {
    with_webhooks(context, [&](WebhookContext& hooks) { return webhook_rotate(*rotating, hooks); });
  });

  auto replaying = std::make_shared<WebhookReplayOptions>();
  command = add_one(group, "replay", "Post the events of a range again", replaying->id);
  command->add_option("--from", replaying->from, "Not before: 2026-11-22T06:00:00Z, or 2h (ago)")
      ->required();
  command->add_option("--until", replaying->until, "Before; without it, now");
  command->callback([&context, replaying] {
    with_webhooks(context,
                  [&](WebhookContext& hooks) { return webhook_replay(*replaying, hooks); });
  });
}

}  // namespace

void add_webhook(CLI::App& app, Context& context) {
  CLI::App* group = app.add_subcommand("webhook", "Where tenants' events are posted to");
  group->require_subcommand(1);
  group->footer(
      "\nExamples:\n"
      "  ekiden webhook add https://app.example.jp/events --tenant shop\n"
      "  ekiden webhook add https://hooks.slack.com/services/T0/B0/x --format slack --kind "
      "bounced\n"
      "  ekiden webhook test 1\n");
  add_changes(*group, context);

  auto tenant = std::make_shared<std::string>();
  CLI::App* command = group->add_subcommand("list", "List them");
  command->add_option("--tenant", *tenant, "Only of this tenant");
  command->callback([&context, tenant] {
    with_webhooks(context, [&](WebhookContext& hooks) { return webhook_list(*tenant, hooks); });
  });

  auto id = std::make_shared<std::int64_t>();
  const auto add_simple = [&](const char* name, const char* what,
                              int (*work)(std::int64_t, WebhookContext&)) {
    add_one(*group, name, what, *id)->callback([&context, id, work] {
      with_webhooks(context, [&](WebhookContext& hooks) { return work(*id, hooks); });
    });
  };
  add_simple("show", "Everything about one, and how it is doing", webhook_show);
  add_simple("remove", "Remove it; what it has not posted is not posted", webhook_remove);
  add_simple("test", "Have the running relay post a made-up event, and tell the answer",
             webhook_test);

  auto count = std::make_shared<std::size_t>(20);
  command = add_one(*group, "attempts", "The newest posts, and what was answered", *id);
  command->add_option("-n,--count", *count, "At most so many")
      ->check(CLI::Range(1, 200))
      ->capture_default_str();
  command->callback([&context, id, count] {
    with_webhooks(context,
                  [&](WebhookContext& hooks) { return webhook_attempts(*id, *count, hooks); });
  });
}

}  // namespace ekiden::cli
