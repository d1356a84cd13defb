// /v3/user/webhooks/event: the tenant's webhooks of the format sendgrid, which are always signed.
#include <algorithm>
#include <array>

#include "ekiden/account/domain_key.hpp"
#include "ekiden/account/shapes.hpp"
#include "ekiden/api/json_fields.hpp"
#include "ekiden/api/sendgrid/mail_send.hpp"
#include "ekiden/api/sendgrid/routes.hpp"
#include "ekiden/webhook/form.hpp"
#include "ekiden/webhook/signature.hpp"

namespace ekiden::api::sendgrid {
namespace {

namespace json = boost::json;
using account::Webhook;
using account::WebhookFormat;
using account::WebhookState;

/// SendGrid's switches, and the kinds of our events behind each.
struct Switch {
  std::string_view name;
  std::array<std::string_view, 3> kinds;
};
constexpr Switch kSwitches[] = {
    {"processed", {"accepted", "", ""}},      {"deferred", {"deferred", "", ""}},
    {"delivered", {"delivered", "", ""}},     {"bounce", {"bounced", "returned", "expired"}},
    {"dropped", {"suppressed", "", ""}},      {"open", {"opened", "", ""}},
    {"click", {"clicked", "", ""}},           {"spam_report", {"complained", "", ""}},
    {"unsubscribe", {"unsubscribed", "", ""}}};
/// Ours are told as `unsubscribe`; nobody comes back by a link.
constexpr std::string_view kNever[] = {"group_unsubscribe", "group_resubscribe"};

bool has(const std::vector<std::string>& list, std::string_view item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

std::string public_key_of(const StoreCall& on, const Webhook& webhook) {
  const auto secret =
      account::unseal(on.node_key, account::kWebhookSecretPurpose, webhook.sealed_secret);
  return secret ? webhook::sendgrid_public_key(secret->view()).value_or("") : std::string();
}

json::object describe(const StoreCall& on, const Webhook& webhook) {
  const auto url = account::unseal(on.node_key, account::kWebhookUrlPurpose, webhook.sealed_url);
  const bool may_see_url = on.caller().key->allows("webhooks:write");
  json::object object{{"enabled", webhook.state == WebhookState::Active},
                      {"url", url && may_see_url ? std::string(url->view()) : webhook.origin},
                      {"id", std::to_string(webhook.id)},
                      {"friendly_name", ""},
                      {"public_key", public_key_of(on, webhook)},
                      {"created_date", account::time_or_null(webhook.created)},
                      {"updated_date", account::time_or_null(webhook.changed)}};
  for (const Switch& one : kSwitches)
    object[one.name] = webhook.kinds.empty() || has(webhook.kinds, one.kinds[0]);
  for (const std::string_view name : kNever) object[name] = false;
  return object;
}

Result<std::vector<Webhook>> webhooks_of(StoreCall& on) {
  auto all = on.store.webhooks(on.caller().tenant());
  if (all)
    std::erase_if(*all, [](const Webhook& one) { return one.format != WebhookFormat::SendGrid; });
  return all;
}

/// The one of the path, or without an id the oldest.
std::optional<Webhook> find(StoreCall& on, std::optional<Problem>& problem) {
  const auto all = webhooks_of(on);
  if (!all) {
    problem = problem_of(all.error(), "webhooks");
    return std::nullopt;
  }
  const auto id = on.call.path.find("id");
  for (const Webhook& webhook : *all)
    if (!id || std::to_string(webhook.id) == *id) return webhook;
  problem = no_such("webhook" + (id ? " " + std::string(*id) : std::string()));
  return std::nullopt;
}

std::optional<Problem> told(const webhook::FormResult& wrong) {
  if (!wrong) return std::nullopt;
  return bad_request(std::string(wrong->field), {wrong->english, wrong->japanese});
}

/// Takes the switches, the URL and `enabled` in; what the body leaves out stays.
std::optional<Problem> read_settings(StoreCall& on, const json::object& body, bool is_new,
                                     Webhook& webhook, webhook::Form& form) {
  if (is_new || body.contains("url")) {
    const std::string url = text_of(body, "url");
    if (url.empty()) return bad_request("url", {"url is required", "urlは必須です"});
    if (auto wrong = told(form.take_url(url, on.settings->webhooks.allow_networks))) return wrong;
  }
  const auto flag = [&](std::string_view name) -> std::optional<bool> {
    const json::value* value = body.if_contains(json::string_view(name));
    if (value == nullptr || !value->is_bool()) return std::nullopt;
    return value->get_bool();
  };
  std::vector<std::string> kinds;
  std::size_t on_count = 0;
  for (const Switch& one : kSwitches) {
    const bool was = !is_new && (webhook.kinds.empty() || has(webhook.kinds, one.kinds[0]));
    if (!flag(one.name).value_or(was)) continue;
    ++on_count;
    for (const std::string_view kind : one.kinds)
      if (!kind.empty()) kinds.emplace_back(kind);
  }
  if (on_count == std::size(kSwitches)) kinds = {"all"};
  if (auto wrong = told(form.take_filters(kinds, {}))) return wrong;
  // With no switch on, nothing is to be posted.
  const bool is_on = flag("enabled").value_or(is_new || webhook.state == WebhookState::Active);
  webhook.state = is_on && on_count > 0 ? WebhookState::Active : WebhookState::Paused;
  webhook.reason.clear();
  return std::nullopt;
}

Answer create_from(StoreCall& on, const json::object& body) {
  Webhook webhook;
  webhook.tenant = on.caller().tenant();
  webhook.format = WebhookFormat::SendGrid;
  webhook::Form form(webhook, on.node_key, on.random);
  if (auto wrong = read_settings(on, body, true, webhook, form)) return *wrong;
  if (auto wrong = told(form.take_batch(0))) return *wrong;
  if (auto wrong = told(form.take_secret(std::nullopt))) return *wrong;
  const WebhookState wanted = webhook.state;
  const auto added = on.store.add_webhook(webhook, on.author);
  if (!added) return problem_of(added.error(), "webhook");
  webhook.id = *added;
  webhook.created = webhook.changed = on.now();
  if (wanted != WebhookState::Active) {
    const auto set = on.store.set_webhook(webhook, "state=paused", on.author);
    if (!set) return problem_of(set.error(), "webhook");
  }
  return Answer(json_response(201, describe(on, webhook)));
}

Answer create(StoreCall& on) {
  JsonBody body = read_json_body(on.call.request);
  if (body.problem) return *body.problem;
  return create_from(on, body.object);
}

Answer change(StoreCall& on) {
  JsonBody body = read_json_body(on.call.request);
  if (body.problem) return *body.problem;
  std::optional<Problem> problem;
  auto webhook = find(on, problem);
  if (!webhook && problem->status == 404 && !on.call.path.find("id")) {
    Answer made = create_from(on, body.object);
    if (!made.problem) made.response.status = 200;
    return made;
  }
  if (!webhook) return *problem;
  webhook::Form form(*webhook, on.node_key, on.random);
  if (auto wrong = read_settings(on, body.object, false, *webhook, form)) return *wrong;
  const auto set = on.store.set_webhook(*webhook, "by /v3/user/webhooks/event", on.author);
  if (!set) return problem_of(set.error(), "webhook");
  webhook->changed = on.now();
  return describe(on, *webhook);
}

Answer list(StoreCall& on) {
  const auto all = webhooks_of(on);
  if (!all) return problem_of(all.error(), "webhooks");
  json::array items;
  for (const Webhook& webhook : *all) items.push_back(describe(on, webhook));
  return json::object{{"max_allowed", account::kWebhooksMax}, {"webhooks", std::move(items)}};
}

Answer show(StoreCall& on) {
  std::optional<Problem> problem;
  const auto webhook = find(on, problem);
  if (webhook) return describe(on, *webhook);
  if (problem->status != 404 || on.call.path.find("id")) return *problem;
  // Who has set nothing up is told that nothing is on.
  json::object none{{"enabled", false}, {"url", ""}};
  for (const Switch& one : kSwitches) none[one.name] = false;
  for (const std::string_view name : kNever) none[name] = false;
  return none;
}

Answer remove(StoreCall& on) {
  std::optional<Problem> problem;
  const auto webhook = find(on, problem);
  if (!webhook) return *problem;
  const auto removed = on.store.remove_webhook(webhook->id, on.author);
  if (!removed) return problem_of(removed.error(), "webhook");
  return no_content();
}

Answer show_signing(StoreCall& on) {
  std::optional<Problem> problem;
  const auto webhook = find(on, problem);
  if (!webhook) return *problem;
  return json::object{{"id", std::to_string(webhook->id)},
                      {"public_key", public_key_of(on, *webhook)}};
}

/// Signing is on, and stays on.
Answer set_signing(StoreCall& on) {
  JsonBody body = read_json_body(on.call.request);
  if (body.problem) return *body.problem;
  const json::value* enabled = body.object.if_contains("enabled");
  if (enabled == nullptr || !enabled->is_bool() || !enabled->get_bool())
    return bad_request("enabled", {"events are always signed here", "イベントは常に署名されます"});
  return show_signing(on);
}

/// A made-up event goes out; what became of it is among the webhook's attempts.
Answer test(StoreCall& on) {
  JsonBody body = read_json_body(on.call.request);
  if (body.problem) return *body.problem;
  const auto all = webhooks_of(on);
  if (!all) return problem_of(all.error(), "webhooks");
  const std::string id = text_of(body.object, "id"), url = text_of(body.object, "url");
  for (const Webhook& webhook : *all) {
    const auto own = account::unseal(on.node_key, account::kWebhookUrlPurpose, webhook.sealed_url);
    const bool is_meant = !id.empty()    ? std::to_string(webhook.id) == id
                          : !url.empty() ? own && own->view() == url
                                         : true;
    if (!is_meant) continue;
    account::WebhookOrder order;
    order.webhook = webhook.id;
    const auto added = on.store.add_webhook_order(order, on.author);
    if (!added) return problem_of(added.error(), "webhook");
    return no_content();
  }
  return bad_request("url", {"there is no event webhook of this id or url; events are posted only "
                             "where one is set up",
                             "このidまたはurlのイベントwebhookはありません"});
}

}  // namespace

void add_webhook_routes(Frame& frame, StoreDesk& desk) {
  const Access read{"webhooks:read"}, write{"webhooks:write"};
  const std::string at = "/v3/user/webhooks/event";
  desk.add(frame, "GET", at + "/settings", read, show, tell);
  desk.add(frame, "PATCH", at + "/settings", write, change, tell);
  desk.add(frame, "POST", at + "/settings", write, create, tell);
  desk.add(frame, "GET", at + "/settings/all", read, list, tell);
  desk.add(frame, "GET", at + "/settings/{id}", read, show, tell);
  desk.add(frame, "PATCH", at + "/settings/{id}", write, change, tell);
  desk.add(frame, "DELETE", at + "/settings/{id}", write, remove, tell);
  desk.add(frame, "GET", at + "/settings/signed", read, show_signing, tell);
  desk.add(frame, "PATCH", at + "/settings/signed", write, set_signing, tell);
  desk.add(frame, "GET", at + "/settings/signed/{id}", read, show_signing, tell);
  desk.add(frame, "PATCH", at + "/settings/signed/{id}", write, set_signing, tell);
  desk.add(frame, "POST", at + "/test", write, test, tell);
}

}  // namespace ekiden::api::sendgrid
