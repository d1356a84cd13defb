#include "ekiden/cli/webhook_commands.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <istream>
#include <ostream>

#include "ekiden/account/domain_key.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/cli/event_filter.hpp"
#include "ekiden/cli/exit_code.hpp"
#include "ekiden/config/units.hpp"
#include "ekiden/webhook/address_guard.hpp"
#include "ekiden/webhook/payload.hpp"
#include "ekiden/webhook/signature.hpp"
#include "ekiden/webhook/target.hpp"

namespace ekiden::cli {

namespace json = boost::json;
using account::Webhook;
using account::WebhookFormat;
using account::WebhookOrder;
using account::WebhookOrderKind;
using account::WebhookState;

namespace {

constexpr std::uint32_t kBatchUsual = 100;
constexpr std::size_t kSecretOctetsMax = 512;

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

std::string sealed(WebhookContext& context, std::string_view purpose, std::string_view octets) {
  return account::seal(context.user.node_key, purpose, octets, context.user.random);
}

/// Takes the URL in, or says why not and gives an exit status.
int take_url(const std::string& url, Webhook& webhook, WebhookContext& context) {
  std::string why;
  const auto target = webhook::parse_target(url, why);
  if (!target) return refuse(context, why, kUsage);
  const auto& allowed = context.settings.webhooks.allow_networks;
  using Verdict = webhook::AddressGuard::Verdict;
  const Verdict verdict = target->address ? webhook::AddressGuard(allowed).judge(*target->address)
                                          : (allowed.empty() ? Verdict::Public : Verdict::Allowed);
  if (verdict == Verdict::Refused) {
    return refuse(context,
                  target->host +
                      " is no address of the Internet; webhooks.allow_networks does not "
                      "list it",
                  kRefused);
  }
  if (!target->is_secure && verdict != Verdict::Allowed) {
    return refuse(context, "http is for addresses of webhooks.allow_networks only; use https",
                  kRefused);
  }
  webhook.origin = target->origin();
  webhook.sealed_url = sealed(context, account::kWebhookUrlPurpose, url);
  return kDone;
}

int take_filters(const std::vector<std::string>& kinds, const std::vector<std::string>& streams,
                 Webhook& webhook, WebhookContext& context) {
  const auto is_all = [](const std::vector<std::string>& names) {
    return names.size() == 1 && names.front() == "all";
  };
  if (!kinds.empty()) webhook.kinds = is_all(kinds) ? std::vector<std::string>() : kinds;
  if (!streams.empty()) webhook.streams = is_all(streams) ? std::vector<std::string>() : streams;
  for (const std::string& name : webhook.kinds) {
    const auto kind = events::parse_kind(name);
    if (!kind) return refuse(context, "there is no kind of event \"" + name + "\"", kUsage);
    if (!webhook::has_word_for(webhook.format, *kind)) {
      return refuse(context,
                    "the format " + std::string(account::webhook_format_name(webhook.format)) +
                        " has no word for " + name,
                    kUsage);
    }
  }
  for (const std::string& stream : webhook.streams) {
    if (!account::check_label(stream))
      return refuse(context, "\"" + base::printable(stream, 100) + "\" is no stream", kUsage);
  }
  if (webhook::is_chat(webhook.format) && webhook.kinds.empty()) {
    return refuse(context, "say which kinds of events people should read: --kind bounced, …",
                  kUsage);
  }
  return kDone;
}

int take_batch(std::uint32_t batch, Webhook& webhook, WebhookContext& context) {
  const auto most = static_cast<std::uint32_t>(webhook::batch_max_of(webhook.format));
  if (batch > most) {
    return refuse(context, "a post of this format has " + std::to_string(most) + " events at most",
                  kUsage);
  }
  webhook.batch_max = batch != 0 ? batch : std::min(kBatchUsual, most);
  return kDone;
}

struct Made {
  account::Secret secret;
  std::string shown;  ///< what the operator is to see, this once
  int status = kDone;
};

bool needs_secret(WebhookFormat format) {
  return format == WebhookFormat::Standard || format == WebhookFormat::SendGrid ||
         format == WebhookFormat::Chatwork;
}

/// A secret as the format has it: made here, or read from standard input.
Made make_secret(WebhookFormat format, bool is_given, WebhookContext& context) {
  Made made;
  if (!needs_secret(format)) {
    if (is_given) made.status = refuse(context, "this format has no secret", kUsage);
    return made;
  }
  std::string text;
  if (is_given) {
    std::getline(context.user.in, text);
    if (text.size() > kSecretOctetsMax) text.clear();
  }
  switch (format) {
    case WebhookFormat::Standard:
      if (!is_given) text = made.shown = webhook::make_standard_secret(context.user.random);
      if (!webhook::is_standard_secret(text)) {
        made.status = refuse(
            context, "a secret is \"whsec_\" and 24 to 64 octets in base64, on one line", kUsage);
      }
      break;
    case WebhookFormat::SendGrid: {
      const auto key = is_given ? std::nullopt : webhook::make_sendgrid_key();
      const auto shown = key ? webhook::sendgrid_public_key(*key) : std::nullopt;
      if (!shown) {
        made.status =
            refuse(context,
                   is_given ? "keys of this format are made here: leave --secret-stdin out"
                            : "no key could be made",
                   is_given ? kUsage : kFailed);
        return made;
      }
      text = *key;
      made.shown = *shown;
      break;
    }
    default: {
      const bool is_token = !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return c > 0x20 && c < 0x7f;
      });
      if (!is_token) {
        made.status = refuse(context, "Chatwork wants its API token: --secret-stdin", kUsage);
      }
    }
  }
  made.secret = account::Secret(std::move(text));
  return made;
}

void show_secret(const Webhook& webhook, const Made& made, WebhookContext& context) {
  if (made.shown.empty()) return;
  context.user.out << (webhook.format == WebhookFormat::SendGrid
                           ? "Receivers verify with this public key:\n\n"
                           : "Receivers verify with this secret, shown this once:\n\n")
                   << made.shown << '\n';
}

json::value time_or_null(base::Time time) {
  if (time == base::Time{}) return nullptr;
  return json::value(base::format_rfc3339(time));
}

json::object describe(const Webhook& webhook) {
  json::array kinds, streams, orders;
  for (const std::string& kind : webhook.kinds) kinds.emplace_back(kind);
  for (const std::string& stream : webhook.streams) streams.emplace_back(stream);
  for (const WebhookOrder& order : webhook.orders) {
    orders.push_back(json::object{{"id", order.id},
                                  {"kind", account::webhook_order_name(order.kind)},
                                  {"from", time_or_null(order.from)},
                                  {"until", time_or_null(order.until)},
                                  {"created", time_or_null(order.created)}});
  }
  return {{"id", webhook.id},
          {"tenant", webhook.tenant},
          {"origin", webhook.origin},
          {"format", account::webhook_format_name(webhook.format)},
          {"kinds", std::move(kinds)},
          {"streams", std::move(streams)},
          {"batch", webhook.batch_max},
          {"state", account::webhook_state_name(webhook.state)},
          {"reason", webhook.reason},
          {"created", time_or_null(webhook.created)},
          {"changed", time_or_null(webhook.changed)},
          {"orders", std::move(orders)}};
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
    context.user.out << json::serialize(describe(webhook)) << '\n';
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
  if (const int status = take_url(options.url, webhook, context)) return status;
  if (const int status = take_filters(options.kinds, options.streams, webhook, context))
    return status;
  if (const int status = take_batch(options.batch, webhook, context)) return status;
  const Made made = make_secret(*format, options.secret_stdin, context);
  if (made.status != kDone) return made.status;
  if (!made.secret.view().empty())
    webhook.sealed_secret = sealed(context, account::kWebhookSecretPurpose, made.secret.view());
  const auto added = context.user.store.add_webhook(webhook, context.user.author);
  if (!added) return report(context, "tenant " + webhook.tenant, added.error());
  webhook.id = *added;
  webhook.created = webhook.changed = context.user.author.now;
  if (context.user.is_json) {
    json::object object = describe(webhook);
    if (!made.shown.empty()) {
      object[*format == WebhookFormat::SendGrid ? "public_key" : "secret"] = made.shown;
    }
    context.user.out << json::serialize(object) << '\n';
    return kDone;
  }
  context.user.out << name_of(webhook.id) << " posts to " << webhook.origin << '\n';
  show_secret(webhook, made, context);
  return kDone;
}

int webhook_list(const std::string& tenant, WebhookContext& context) {
  const auto all = context.user.store.webhooks(tenant);
  if (!all) return report(context, "webhooks", all.error());
  if (context.user.is_json) {
    json::array list;
    for (const Webhook& webhook : *all) list.push_back(describe(webhook));
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
  const webhook::Progress progress = loaded->value_or(webhook::Progress());
  const auto url =
      account::unseal(context.user.node_key, account::kWebhookUrlPurpose, webhook->sealed_url);
  const auto secret = account::unseal(context.user.node_key, account::kWebhookSecretPurpose,
                                      webhook->sealed_secret);
  json::object object = describe(*webhook);
  object["url"] = url ? json::value(url->view()) : json::value(nullptr);
  if (webhook->format == WebhookFormat::SendGrid && secret) {
    object["public_key"] = webhook::sendgrid_public_key(secret->view()).value_or("");
  }
  object["previous_secret_until"] = webhook->sealed_previous.empty()
                                        ? json::value(nullptr)
                                        : time_or_null(webhook->previous_until);
  object["delivered"] = progress.delivered;
  object["last_success"] = time_or_null(progress.last_success);
  object["failures"] = progress.failures;
  object["failing_since"] =
      progress.failures == 0 ? json::value(nullptr) : time_or_null(progress.failing_since);
  object["next_attempt"] =
      progress.failures == 0 ? json::value(nullptr) : time_or_null(progress.next);
  object["cursor"] = events::format_cursor(progress.cursor);
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
  std::string what;
  if (!options.url.empty()) {
    if ((status = take_url(options.url, *webhook, context)) != kDone) return status;
    what += " url=" + webhook->origin;
  }
  if (!options.kinds.empty() || !options.streams.empty()) {
    status = take_filters(options.kinds, options.streams, *webhook, context);
    if (status != kDone) return status;
    what += " kinds=" + joined(webhook->kinds) + " streams=" + joined(webhook->streams);
  }
  if (options.batch != 0) {
    if ((status = take_batch(options.batch, *webhook, context)) != kDone) return status;
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
  if (!needs_secret(webhook->format)) return refuse(context, "this format has no secret", kUsage);
  const auto keep = config::parse_duration(options.keep);
  if (!keep || *keep < base::Duration(0)) {
    return refuse(context, "--keep takes a duration like 24h, not \"" + options.keep + "\"",
                  kUsage);
  }
  const Made made = make_secret(webhook->format, options.secret_stdin, context);
  if (made.status != kDone) return made.status;
  // Two are valid at once, not three: the one before the last ends here.
  webhook->sealed_previous = std::move(webhook->sealed_secret);
  webhook->previous_until = context.user.author.now + *keep;
  webhook->sealed_secret = sealed(context, account::kWebhookSecretPurpose, made.secret.view());
  const std::string until = base::format_rfc3339(webhook->previous_until);
  const auto done = context.user.store.set_webhook(*webhook, "secret rotated", context.user.author);
  if (!done) return report(context, name_of(webhook->id), done.error());
  if (context.user.is_json) {
    json::object object = describe(*webhook);
    if (!made.shown.empty()) {
      object[webhook->format == WebhookFormat::SendGrid ? "public_key" : "secret"] = made.shown;
    }
    object["previous_secret_until"] = until;
    context.user.out << json::serialize(object) << '\n';
    return kDone;
  }
  show_secret(*webhook, made, context);
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
      list.push_back(json::object{{"id", attempt.id},
                                  {"time", base::format_rfc3339(attempt.time)},
                                  {"kind", attempt.kind},
                                  {"batch", attempt.batch_id},
                                  {"first_event", attempt.first_event},
                                  {"events", attempt.events},
                                  {"attempt", attempt.number},
                                  {"status", attempt.status},
                                  {"is_taken", attempt.is_success},
                                  {"duration_us", attempt.duration.count()},
                                  {"outcome", attempt.outcome}});
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
