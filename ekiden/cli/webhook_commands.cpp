#include "ekiden/cli/webhook_commands.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <istream>
#include <ostream>

#include "ekiden/account/domain_key.hpp"
#include "ekiden/account/shapes.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/cli/event_filter.hpp"
#include "ekiden/cli/exit_code.hpp"
#include "ekiden/config/units.hpp"
#include "ekiden/webhook/form.hpp"
#include "ekiden/webhook/shapes.hpp"

namespace ekiden::cli {

namespace json = boost::json;
using account::Webhook;
using account::WebhookFormat;
using account::WebhookOrder;
using account::WebhookOrderKind;
using account::WebhookState;

namespace {

int refuse(WebhookContext& context, std::string_view why, int status) {
  context.user.err << "ekiden: " << why << '\n';
  return status;
}

int report(WebhookContext& context, std::string_view what, const Error& error) {
  if (error == account::Errc::NotFound)
    return refuse(context, "there is no " + std::string(what), kRefused);
  if (error == account::Errc::TooMany)
    return refuse(context, std::string(what) + ": too many", kRefused);
  const bool is_refusal = error == account::Errc::UnknownTenant || error == account::Errc::BadLabel;
  return refuse(context, std::string(what) + ": " + error.message(),
                is_refusal ? kRefused : kFailed);
}

std::string name_of(std::int64_t id) {
  return "webhook " + std::to_string(id);
}

webhook::Form form_of(Webhook& webhook, WebhookContext& context) {
  return {webhook, context.user.node_key, context.user.random};
}

/// Says what is wrong with what was asked, if anything is.
int judge(const webhook::FormResult& problem, WebhookContext& context) {
  if (!problem) return kDone;
  return refuse(context, problem->english, problem->is_policy ? kRefused : kUsage);
}

/// A secret from standard input, where one is to be read: a line.
std::optional<std::string> read_secret(bool is_given, WebhookContext& context) {
  if (!is_given) return std::nullopt;
  std::string line;
  std::getline(context.user.in, line);
  return line;
}

void show_secret(const Webhook& webhook, const std::string& shown, WebhookContext& context) {
  if (shown.empty()) return;
  context.user.out << (webhook.format == WebhookFormat::SendGrid
                           ? "Receivers verify with this public key:\n\n"
                           : "Receivers verify with this secret, shown this once:\n\n")
                   << shown << '\n';
}

json::object with_secret(const Webhook& webhook, const webhook::Form& form) {
  json::object object = account::to_json(webhook);
  if (!form.shown().empty()) object[form.shown_as()] = form.shown();
  return object;
}

/// The webhook, or nothing and an exit status.
std::optional<Webhook> find(std::int64_t id, WebhookContext& context, int& status) {
  const auto all = context.user.store.webhooks();
  if (!all) {
    status = report(context, "webhooks", all.error());
    return std::nullopt;
  }
  for (const Webhook& webhook : *all) {
    if (webhook.id == id) return webhook;
  }
  status = refuse(context, "there is no " + name_of(id), kRefused);
  return std::nullopt;
}

std::unique_ptr<webhook::Ledger> open_ledger(WebhookContext& context, int& status) {
  std::string problem;
  auto ledger = webhook::Ledger::open(context.settings.node.data_dir, &problem);
  if (ledger) return std::move(*ledger);
  status = refuse(context, problem, kFailed);
  return nullptr;
}

std::string joined(const std::vector<std::string>& items) {
  std::string text;
  for (const std::string& item : items) text += (text.empty() ? "" : " ") + item;
  return text.empty() ? "all" : text;
}

int say_done(WebhookContext& context, const Webhook& webhook, std::string_view sentence) {
  if (context.user.is_json) {
    context.user.out << json::serialize(account::to_json(webhook)) << '\n';
  } else {
    context.user.out << name_of(webhook.id) << ' ' << sentence << '\n';
  }
  return kDone;
}

}  // namespace

int webhook_add(const WebhookAddOptions& options, WebhookContext& context) {
  Webhook webhook;
  webhook.tenant = options.tenant;
  const auto format = account::parse_webhook_format(options.format);
  if (!format) return refuse(context, "there is no format \"" + options.format + "\"", kUsage);
  webhook.format = *format;
  webhook::Form form = form_of(webhook, context);
  webhook::FormResult wrong = form.take_url(options.url, context.settings.webhooks.allow_networks);
  if (!wrong) wrong = form.take_filters(options.kinds, options.streams);
  if (!wrong) wrong = form.take_batch(options.batch);
  if (!wrong) wrong = form.take_secret(read_secret(options.secret_stdin, context));
  if (wrong) return judge(wrong, context);
  const auto added = context.user.store.add_webhook(webhook, context.user.author);
  if (!added) return report(context, "tenant " + webhook.tenant, added.error());
  webhook.id = *added;
  webhook.created = webhook.changed = context.user.author.now;
  if (context.user.is_json) {
    context.user.out << json::serialize(with_secret(webhook, form)) << '\n';
    return kDone;
  }
  context.user.out << name_of(webhook.id) << " posts to " << webhook.origin << '\n';
  show_secret(webhook, form.shown(), context);
  return kDone;
}

int webhook_list(const std::string& tenant, WebhookContext& context) {
  const auto all = context.user.store.webhooks(tenant);
  if (!all) return report(context, "webhooks", all.error());
  if (context.user.is_json) {
    json::array list;
    for (const Webhook& webhook : *all) list.push_back(account::to_json(webhook));
    context.user.out << json::serialize(json::object{{"webhooks", std::move(list)}}) << '\n';
    return kDone;
  }
  if (all->empty()) context.user.out << "no webhooks\n";
  for (const Webhook& webhook : *all) {
    context.user.out << webhook.id << "  " << account::webhook_state_name(webhook.state) << "  "
                     << webhook.tenant << "  " << account::webhook_format_name(webhook.format)
                     << "  " << webhook.origin << "  kinds=" << joined(webhook.kinds)
                     << "  streams=" << joined(webhook.streams) << '\n';
  }
  return kDone;
}

int webhook_show(std::int64_t id, WebhookContext& context) {
  int status = kDone;
  const auto webhook = find(id, context, status);
  if (!webhook) return status;
  const auto ledger = open_ledger(context, status);
  if (!ledger) return status;
  const auto loaded = ledger->load(id, webhook::Ledger::kLive);
  if (!loaded) return refuse(context, "the ledger: " + loaded.error().message(), kFailed);
  const json::object object =
      webhook::describe(*webhook, loaded->value_or(webhook::Progress()), context.user.node_key);
  if (context.user.is_json) {
    context.user.out << json::serialize(object) << '\n';
    return kDone;
  }
  for (const auto& [name, value] : object) {
    const std::string text =
        value.is_string() ? std::string(value.get_string()) : json::serialize(value);
    if (text.empty() || text == "null" || text == "[]") continue;
    std::string label(name);
    label.resize(std::max<std::size_t>(label.size(), 22), ' ');
    context.user.out << label << base::printable(text, 4096) << '\n';
  }
  return kDone;
}

int webhook_set(const WebhookSetOptions& options, WebhookContext& context) {
  int status = kDone;
  auto webhook = find(options.id, context, status);
  if (!webhook) return status;
  webhook::Form form = form_of(*webhook, context);
  std::string what;
  if (!options.url.empty()) {
    status = judge(form.take_url(options.url, context.settings.webhooks.allow_networks), context);
    if (status != kDone) return status;
    what += " url=" + webhook->origin;
  }
  if (!options.kinds.empty() || !options.streams.empty()) {
    status = judge(form.take_filters(options.kinds, options.streams), context);
    if (status != kDone) return status;
    what += " kinds=" + joined(webhook->kinds) + " streams=" + joined(webhook->streams);
  }
  if (options.batch != 0) {
    if ((status = judge(form.take_batch(options.batch), context)) != kDone) return status;
    what += " batch=" + std::to_string(webhook->batch_max);
  }
  if (!options.state.empty()) {
    const auto state = account::parse_webhook_state(options.state);
    if (!state || *state == WebhookState::Disabled)
      return refuse(context, "--state takes active or paused", kUsage);
    webhook->state = *state;
    webhook->reason = "";
    what += " state=" + options.state;
  }
  if (what.empty() && !options.skip_waiting) return refuse(context, "say what to change", kUsage);
  if (options.skip_waiting) {
    WebhookOrder order;
    order.webhook = webhook->id;
    order.kind = WebhookOrderKind::Skip;
    const auto added = context.user.store.add_webhook_order(order, context.user.author);
    if (!added) return report(context, name_of(webhook->id), added.error());
  }
  if (!what.empty()) {
    const auto done = context.user.store.set_webhook(*webhook, what.substr(1), context.user.author);
    if (!done) return report(context, name_of(webhook->id), done.error());
  }
  return say_done(context, *webhook, "changed");
}

int webhook_remove(std::int64_t id, WebhookContext& context) {
  int status = kDone;
  const auto webhook = find(id, context, status);
  if (!webhook) return status;
  const auto done = context.user.store.remove_webhook(id, context.user.author);
  if (!done) return report(context, name_of(id), done.error());
  return say_done(context, *webhook, "removed");
}

int webhook_test(std::int64_t id, WebhookContext& context) {
  if (!context.is_node_running()) {
    return refuse(context, "no relay is running; it is the one that posts", kFailed);
  }
  WebhookOrder order;
  order.webhook = id;
  order.kind = WebhookOrderKind::Test;
  const auto added = context.user.store.add_webhook_order(order, context.user.author);
  if (!added) return report(context, name_of(id), added.error());
  // The order is done within webhooks.timeout, unless others of the tenant wait before it.
  constexpr int kLooksMax = 900;
  for (int i = 0; i < kLooksMax; ++i) {
    const auto now = context.user.store.webhook_order(*added);
    if (!now) return report(context, name_of(id), now.error());
    if (now->done == base::Time{}) {
      context.wait_a_little();
      continue;
    }
    if (context.user.is_json) {
      context.user.out << json::serialize(json::object{{"webhook", id},
                                                       {"event", "test-" + std::to_string(*added)},
                                                       {"is_taken", now->is_done_well},
                                                       {"outcome", now->outcome}})
                       << '\n';
    } else {
      context.user.out << "test-" << *added << ": " << now->outcome << '\n';
    }
    return now->is_done_well ? kDone : kRefused;
  }
  return refuse(context, "the relay has not posted the test yet; see `ekiden webhook attempts`",
                kFailed);
}

int webhook_rotate(const WebhookRotateOptions& options, WebhookContext& context) {
  int status = kDone;
  auto webhook = find(options.id, context, status);
  if (!webhook) return status;
  const auto keep = config::parse_duration(options.keep);
  if (!keep || *keep < base::Duration(0)) {
    return refuse(context, "--keep takes a duration like 24h, not \"" + options.keep + "\"",
                  kUsage);
  }
  webhook::Form form = form_of(*webhook, context);
  status = judge(form.rotate_secret(read_secret(options.secret_stdin, context),
                                    context.user.author.now + *keep),
                 context);
  if (status != kDone) return status;
  const std::string until = base::format_rfc3339(webhook->previous_until);
  const auto done = context.user.store.set_webhook(*webhook, "secret rotated", context.user.author);
  if (!done) return report(context, name_of(webhook->id), done.error());
  if (context.user.is_json) {
    json::object object = with_secret(*webhook, form);
    object["previous_secret_until"] = until;
    context.user.out << json::serialize(object) << '\n';
    return kDone;
  }
  show_secret(*webhook, form.shown(), context);
  context.user.out << (webhook->format == WebhookFormat::SendGrid
                           ? "\nThe key before it signs until "
                           : "\nThe one before it signs as well until ")
                   << until << '\n';
  return kDone;
}

int webhook_replay(const WebhookReplayOptions& options, WebhookContext& context) {
  WebhookOrder order;
  order.webhook = options.id;
  order.kind = WebhookOrderKind::Replay;
  const base::Time now = context.user.author.now;
  const auto from = parse_time(options.from, now);
  const auto until = options.until.empty() ? std::optional(now) : parse_time(options.until, now);
  if (!from || !until || *from >= *until) {
    return refuse(
        context, "--from and --until take times like 2026-11-22T06:00:00Z or 2h, in order", kUsage);
  }
  order.from = *from;
  order.until = *until;
  const auto added = context.user.store.add_webhook_order(order, context.user.author);
  if (!added) return report(context, name_of(options.id), added.error());
  if (context.user.is_json) {
    context.user.out << json::serialize(json::object{{"webhook", options.id}, {"order", *added}})
                     << '\n';
  } else {
    context.user.out << name_of(options.id) << " posts the events of "
                     << base::format_rfc3339(*from) << " to " << base::format_rfc3339(*until)
                     << " again\n";
  }
  return kDone;
}

int webhook_attempts(std::int64_t id, std::size_t count, WebhookContext& context) {
  int status = kDone;
  if (!find(id, context, status)) return status;
  const auto ledger = open_ledger(context, status);
  if (!ledger) return status;
  const auto attempts = ledger->attempts(id, count);
  if (!attempts) return refuse(context, "the ledger: " + attempts.error().message(), kFailed);
  if (context.user.is_json) {
    json::array list;
    for (const webhook::Attempt& attempt : *attempts) {
      list.push_back(webhook::to_json(attempt));
    }
    context.user.out << json::serialize(json::object{{"attempts", std::move(list)}}) << '\n';
    return kDone;
  }
  if (attempts->empty()) context.user.out << "no attempts\n";
  for (const webhook::Attempt& attempt : *attempts) {
    context.user.out << base::format_rfc3339(attempt.time) << "  " << attempt.kind << "  "
                     << attempt.events << " events  attempt " << attempt.number << "  "
                     << base::format_duration(attempt.duration) << "  "
                     << base::printable(attempt.outcome, 300) << '\n';
  }
  return kDone;
}

}  // namespace ekiden::cli
