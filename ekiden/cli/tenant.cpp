#include <CLI/CLI.hpp>

#include "ekiden/cli/context.hpp"
#include "ekiden/cli/store_access.hpp"
#include "ekiden/cli/tenant_commands.hpp"

namespace ekiden::cli {

namespace {

void add_setting(CLI::App& command, const char* name, std::optional<std::string>& into,
                 const char* words) {
  command.add_option_function<std::string>(
      name, [&into](const std::string& text) { into = text; }, words);
}

}  // namespace

void add_tenant_settings(CLI::App& tenants, Context& context) {
  tenants.footer(
      "\nExamples:\n"
      "  ekiden tenant set shop --stream news:bulk:2 --stream receipts:transactional\n"
      "  ekiden tenant set shop --rate 100/min --messages-per-day 50000 --user-rate 10/s\n"
      "  ekiden tenant set shop --sender-domain example.jp --sender-domain '*.example.jp'\n");
  auto shown = std::make_shared<std::string>();
  CLI::App* show = tenants.add_subcommand("show", "Show what is set and what was used");
  show->add_option("name", *shown, "The tenant")->required();
  show->callback([&context, shown] {
    with_store(context, [&](UserContext& user) { return tenant_show(*shown, user); });
  });

  auto options = std::make_shared<TenantSetOptions>();
  CLI::App* set = tenants.add_subcommand("set", "Change settings; what is not named stays");
  set->add_option("name", options->name, "The tenant")->required();
  set->add_option("--stream", options->streams,
                  "A stream: name, name:bulk, or name:transactional:WEIGHT; repeat it");
  set->add_option("--remove-stream", options->removed_streams, "One stream less; repeat it");
  set->add_option_function<std::vector<std::string>>(
      "--sender-domain",
      [options](const std::vector<std::string>& domains) { options->sender_domains = domains; },
      "Only as sender of these domains, \"*.name\" for all below; \"any\" for all; repeat it");
  add_setting(*set, "--rate", options->rate, "Messages of the tenant: 100/min, or off");
  add_setting(*set, "--messages-per-day", options->per_day, "Recipients a day (UTC), or off");
  add_setting(*set, "--messages-per-month", options->per_month, "Recipients a month, or off");
  add_setting(*set, "--user-rate", options->credential_rate, "Messages of each user, or off");
  add_setting(*set, "--user-messages-per-day", options->credential_per_day,
              "Recipients of each user a day, or off");
  add_setting(*set, "--user-messages-per-month", options->credential_per_month,
              "Recipients of each user a month, or off");
  add_setting(*set, "--proven-domains", options->proven_domains,
              "required: only `ekiden domain verify`d domains may send; or off");
  add_setting(*set, "--soft-failures", options->soft_failures,
              "Suppress an address after so many failures in a row that may pass, or off");
  add_setting(*set, "--suppress-for", options->suppress_for,
              "How long bounces suppress: 180d, or ever");
  add_setting(*set, "--archive", options->archive,
              "Keep copies of its messages: all, or of streams (a,b); or off");
  set->callback([&context, options] {
    with_store(context, [&](UserContext& user) { return tenant_set(*options, user); });
  });

  auto removed = std::make_shared<std::string>();
  CLI::App* remove =
      tenants.add_subcommand("remove", "Remove a tenant without users, and its lists");
  remove->add_option("name", *removed, "The tenant")->required();
  remove->callback([&context, removed] {
    with_store(context, [&](UserContext& user) { return tenant_remove(*removed, user); });
  });
}

void add_user_limit(CLI::App& users, Context& context) {
  auto options = std::make_shared<UserLimitOptions>();
  CLI::App* limit = users.add_subcommand("limit", "Limit what one user sends");
  limit->add_option("name", options->name, "The user")->required();
  add_setting(*limit, "--rate", options->rate, "Messages: 10/s, or off");
  add_setting(*limit, "--messages-per-day", options->per_day, "Recipients a day (UTC), or off");
  add_setting(*limit, "--messages-per-month", options->per_month, "Recipients a month, or off");
  limit->add_flag("--reset", options->is_reset, "As the tenant says for each of its users");
  limit->callback([&context, options] {
    with_store(context, [&](UserContext& user) { return user_limit(*options, user); });
  });
}

void add_audit(CLI::App& app, Context& context) {
  CLI::App* group = app.add_subcommand("audit", "Who changed what; no relay need run");
  group->require_subcommand(1);
  group->footer(
      "\nEach entry holds the hash of the one before it. Keep the head that `audit verify` prints\n"
      "somewhere else, and give it to --head later: then nothing can be cut off unseen.\n");
  auto options = std::make_shared<AuditOptions>();
  CLI::App* list = group->add_subcommand("list", "List changes, newest first");
  list->add_option("--count", options->count, "At most so many")->capture_default_str();
  list->add_option("--subject", options->subject, "Only of this user, tenant, address or domain");
  list->add_option("--action", options->action, "Only what begins so: tenant, user.add");
  list->callback([&context, options] {
    with_store(context, [&](UserContext& user) { return audit_list(*options, user); });
  });
  auto verifying = std::make_shared<AuditOptions>();
  CLI::App* verify = group->add_subcommand("verify", "Say whether the log was tampered with");
  verify->add_option("--head", verifying->head, "A hash that must be in it");
  verify->callback([&context, verifying] {
    with_store(context, [&](UserContext& user) { return audit_verify(*verifying, user); });
  });
}

}  // namespace ekiden::cli
