// /v1/webhooks.
#include <algorithm>

#include "ekiden/account/shapes.hpp"
#include "ekiden/api/admin/routes.hpp"
#include "ekiden/api/fields.hpp"
#include "ekiden/api/pause.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/webhook/form.hpp"
#include "ekiden/webhook/shapes.hpp"

namespace ekiden::api::admin {
namespace {

namespace json = boost::json;
using account::Webhook;
using account::WebhookOrder;
using account::WebhookOrderKind;
using account::WebhookState;

/// How long a request waits for the answer to a test event; past it, it says which order to ask
/// for.
constexpr int kTestLooks = 300;
constexpr base::Duration kTestPause = std::chrono::milliseconds(50);
constexpr base::Duration kKeepUsual = std::chrono::hours(24);

std::string name_of(std::int64_t id) {
  return "webhook " + std::to_string(id);
}

std::optional<std::int64_t> id_of(std::string_view text) {
  const auto id = base::parse_u64(text);
  if (!id || *id > INT64_MAX) return std::nullopt;
  return static_cast<std::int64_t>(*id);
}

std::optional<Webhook> find(StoreCall& on, std::optional<Problem>& problem) {
  const std::string_view text = on.call.path.get("id");
  const auto id = id_of(text);
  const auto all = on.store.webhooks();
  if (!all) {
    problem = problem_of(all.error(), "webhooks");
    return std::nullopt;
  }
  for (const Webhook& webhook : *all)
    if (id && webhook.id == *id && on.may_see(webhook.tenant)) return webhook;
  problem = no_such("webhook " + std::string(text));
  return std::nullopt;
}

void note(Fields& fields, const webhook::FormResult& wrong) {
  if (wrong)
    fields.wrong(wrong->field, wrong->is_policy ? "not_allowed" : "bad_value",
                 {wrong->english, wrong->japanese});
}

json::object with_secret(const Webhook& webhook, const webhook::Form& form) {
  json::object object = account::to_json(webhook);
  if (!form.shown().empty()) object[form.shown_as()] = form.shown();
  return object;
}

Answer list(StoreCall& on) {
  if (auto wrong = check_query(on.call, {"tenant", "limit", "cursor"})) return *wrong;
  const Chosen chosen = on.tenant_to_see();
  if (chosen.problem) return *chosen.problem;
  const auto all = on.store.webhooks(chosen.tenant);
  if (!all) return problem_of(all.error(), "tenant " + chosen.tenant);
  return list_page(
      on, "webhooks", *all, [](const Webhook& one) { return sortable(one.id); },
      [](const Webhook& one) { return account::to_json(one); });
}

Answer create(StoreCall& on) {
  ReadBody body(on.call.request);
  if (body.problem) return *body.problem;
  Fields& fields = body.fields;
  Webhook webhook;
  webhook::Form form(webhook, on.node_key, on.random);
  const std::string tenant = fields.text("tenant").value_or("");
  const std::string url = fields.required("url");
  const auto format = account::parse_webhook_format(fields.text("format").value_or("standard"));
  if (!format)
    fields.wrong(
        "format", "bad_value",
        {"standard, sendgrid, blastengine, slack, teams, chatwork or lineworks",
         "standard、sendgrid、blastengine、slack、teams、chatwork、lineworksのいずれかです"});
  webhook.format = format.value_or(webhook.format);
  note(fields, form.take_url(url, on.settings->webhooks.allow_networks));
  note(fields, form.take_filters(fields.texts("kinds").value_or(std::vector<std::string>()),
                                 fields.texts("streams").value_or(std::vector<std::string>())));
  note(fields,
       form.take_batch(static_cast<std::uint32_t>(fields.number("batch", 1'000'000).value_or(0))));
  note(fields, form.take_secret(fields.text("secret")));
  if (auto wrong = body.finish()) return *wrong;
  const Chosen chosen = on.tenant_to_change(tenant);
  if (chosen.problem) return *chosen.problem;
  webhook.tenant = chosen.tenant;
  const auto added = on.store.add_webhook(webhook, on.author);
  if (!added) return problem_of(added.error(), "tenant " + webhook.tenant);
  webhook.id = *added;
  webhook.created = webhook.changed = on.now();
  return created(with_secret(webhook, form), "/v1/webhooks/" + std::to_string(webhook.id));
}

Answer show(StoreCall& on) {
  if (auto wrong = check_query(on.call, {})) return *wrong;
  std::optional<Problem> problem;
  const auto webhook = find(on, problem);
  if (!webhook) return *problem;
  const auto progress = on.ledger.load(webhook->id, webhook::Ledger::kLive);
  if (!progress) return problem_of(progress.error(), name_of(webhook->id));
  json::object object =
      webhook::describe(*webhook, progress->value_or(webhook::Progress()), on.node_key);
  // The path of some URLs is a secret: whoever may only read is shown the origin.
  if (!on.caller().key->allows("webhooks:write")) object.erase("url");
  return object;
}

Answer change(StoreCall& on) {
  ReadBody body(on.call.request);
  if (body.problem) return *body.problem;
  std::optional<Problem> problem;
  auto webhook = find(on, problem);
  if (!webhook) return *problem;
  Fields& fields = body.fields;
  webhook::Form form(*webhook, on.node_key, on.random);
  std::string what;
  if (const auto url = fields.text("url")) {
    note(fields, form.take_url(*url, on.settings->webhooks.allow_networks));
    what += " url=" + webhook->origin;
  }
  const auto kinds = fields.texts("kinds"), streams = fields.texts("streams");
  if (kinds || streams) {
    // An empty list is no filter.
    const auto or_all = [](const std::optional<std::vector<std::string>>& names) {
      if (!names) return std::vector<std::string>();
      return names->empty() ? std::vector<std::string>{"all"} : *names;
    };
    note(fields, form.take_filters(or_all(kinds), or_all(streams)));
    what += " filters";
  }
  if (const auto batch = fields.number("batch", 1'000'000)) {
    note(fields, form.take_batch(static_cast<std::uint32_t>(*batch)));
    what += " batch=" + std::to_string(webhook->batch_max);
  }
  if (const auto name = fields.text("state")) {
    const auto state = account::parse_webhook_state(*name);
    if (!state || *state == WebhookState::Disabled)
      fields.wrong("state", "bad_value", {"either active or paused", "activeかpausedです"});
    webhook->state = state.value_or(webhook->state);
    webhook->reason.clear();
    what += " state=" + std::string(account::webhook_state_name(webhook->state));
  }
  const bool skips = fields.flag("skip_waiting").value_or(false);
  if (what.empty() && !skips)
    fields.wrong("", "required", {"say what to change", "変更する項目を指定してください"});
  if (auto wrong = body.finish()) return *wrong;
  if (skips) {
    WebhookOrder order;
    order.webhook = webhook->id;
    order.kind = WebhookOrderKind::Skip;
    const auto added = on.store.add_webhook_order(order, on.author);
    if (!added) return problem_of(added.error(), name_of(webhook->id));
  }
  if (!what.empty()) {
    const auto set = on.store.set_webhook(*webhook, what.substr(1), on.author);
    if (!set) return problem_of(set.error(), name_of(webhook->id));
    webhook->changed = on.now();
  }
  return account::to_json(*webhook);
}

Answer remove(StoreCall& on) {
  if (auto wrong = check_query(on.call, {})) return *wrong;
  std::optional<Problem> problem;
  const auto webhook = find(on, problem);
  if (!webhook) return *problem;
  const auto removed = on.store.remove_webhook(webhook->id, on.author);
  if (!removed) return problem_of(removed.error(), name_of(webhook->id));
  return no_content();
}

Answer rotate(StoreCall& on) {
  ReadBody body(on.call.request, true);
  if (body.problem) return *body.problem;
  std::optional<Problem> problem;
  auto webhook = find(on, problem);
  if (!webhook) return *problem;
  const base::Duration keep = body.fields.duration("keep").value_or(kKeepUsual);
  webhook::Form form(*webhook, on.node_key, on.random);
  note(body.fields, form.rotate_secret(body.fields.text("secret"), on.now() + keep));
  if (auto wrong = body.finish()) return *wrong;
  const auto set = on.store.set_webhook(*webhook, "secret rotated", on.author);
  if (!set) return problem_of(set.error(), name_of(webhook->id));
  json::object object = with_secret(*webhook, form);
  object["previous_secret_until"] = base::format_rfc3339(webhook->previous_until);
  return object;
}

Answer replay(StoreCall& on) {
  ReadBody body(on.call.request);
  if (body.problem) return *body.problem;
  std::optional<Problem> problem;
  const auto webhook = find(on, problem);
  if (!webhook) return *problem;
  WebhookOrder order;
  order.webhook = webhook->id;
  order.kind = WebhookOrderKind::Replay;
  const auto from = body.fields.instant("from", on.now());
  if (!from) body.fields.wrong("from", "required", {"a date is needed", "日時が必要です"});
  order.from = from.value_or(base::Time{});
  order.until = body.fields.instant("until", on.now()).value_or(on.now());
  if (from && order.from >= order.until)
    body.fields.wrong("until", "bad_value", {"it is not after from", "fromより後ではありません"});
  if (auto wrong = body.finish()) return *wrong;
  const auto added = on.store.add_webhook_order(order, on.author);
  if (!added) return problem_of(added.error(), name_of(webhook->id));
  HttpResponse response =
      json_response(202, json::object{{"webhook", webhook->id},
                                      {"order", *added},
                                      {"from", base::format_rfc3339(order.from)},
                                      {"until", base::format_rfc3339(order.until)}});
  return response;
}

Answer attempts(StoreCall& on) {
  if (auto wrong = check_query(on.call, {"limit"})) return *wrong;
  const PageAsked asked = read_page(on.call);
  if (asked.problem) return *asked.problem;
  std::optional<Problem> problem;
  const auto webhook = find(on, problem);
  if (!webhook) return *problem;
  const auto attempts = on.ledger.attempts(webhook->id, asked.limit);
  if (!attempts) return problem_of(attempts.error(), name_of(webhook->id));
  json::array items;
  for (const webhook::Attempt& attempt : *attempts) items.push_back(webhook::to_json(attempt));
  return json::object{{"attempts", std::move(items)}};
}

json::object order_json(const WebhookOrder& order) {
  json::object object = account::to_json(order);
  object["webhook"] = order.webhook;
  object["done"] = account::time_or_null(order.done);
  if (order.done != base::Time{}) {
    object["is_done_well"] = order.is_done_well;
    object["outcome"] = order.outcome;
  }
  return object;
}

Answer show_order(StoreCall& on) {
  if (auto wrong = check_query(on.call, {})) return *wrong;
  std::optional<Problem> problem;
  const auto webhook = find(on, problem);
  if (!webhook) return *problem;
  const std::string_view text = on.call.path.get("order");
  const auto id = id_of(text);
  const auto order = on.store.webhook_order(id.value_or(0));
  if (!order || order->webhook != webhook->id) return no_such("order " + std::string(text));
  return order_json(*order);
}

/// The relay posts a made-up event; its answer is told.
base::Task<Answer> test(StoreDesk& desk, base::Worker& worker, std::shared_ptr<Call> call) {
  auto ordered = std::make_shared<std::int64_t>(0);
  StoreWork order = [ordered](StoreCall& on) -> Answer {
    std::optional<Problem> problem;
    const auto webhook = find(on, problem);
    if (!webhook) return *problem;
    WebhookOrder wanted;
    wanted.webhook = webhook->id;
    wanted.kind = WebhookOrderKind::Test;
    const auto added = on.store.add_webhook_order(wanted, on.author);
    if (!added) return problem_of(added.error(), name_of(webhook->id));
    *ordered = *added;
    return json::object{};
  };
  Answer answer = co_await desk.ask(worker, call, std::move(order));
  if (answer.problem) co_return answer;
  for (int look = 0; look < kTestLooks; ++look) {
    StoreWork ask = [ordered](StoreCall& on) -> Answer {
      const auto now = on.store.webhook_order(*ordered);
      if (!now) return problem_of(now.error(), "order " + std::to_string(*ordered));
      if (now->done == base::Time{})
        return json_response(202, json::object{{"webhook", now->webhook}, {"order", now->id}});
      return json::object{{"webhook", now->webhook},
                          {"event", "test-" + std::to_string(now->id)},
                          {"is_taken", now->is_done_well},
                          {"outcome", now->outcome}};
    };
    answer = co_await desk.ask(worker, call, std::move(ask));
    if (answer.problem || answer.response.status == 200) co_return answer;
    co_await pause(worker.clock, kTestPause);
  }
  co_return answer;
}

}  // namespace

void add_webhook_routes(Frame& frame, StoreDesk& desk) {
  const Access read{"webhooks:read"}, write{"webhooks:write"};
  desk.add(frame, "GET", "/v1/webhooks", read, list);
  desk.add(frame, "POST", "/v1/webhooks", write, create);
  desk.add(frame, "GET", "/v1/webhooks/{id}", read, show);
  desk.add(frame, "PATCH", "/v1/webhooks/{id}", write, change);
  desk.add(frame, "DELETE", "/v1/webhooks/{id}", write, remove);
  desk.add(frame, "POST", "/v1/webhooks/{id}/rotate", write, rotate);
  desk.add(frame, "POST", "/v1/webhooks/{id}/replay", write, replay);
  desk.add(frame, "GET", "/v1/webhooks/{id}/attempts", read, attempts);
  desk.add(frame, "GET", "/v1/webhooks/{id}/orders/{order}", read, show_order);
  desk.add_handler(frame, "POST", "/v1/webhooks/{id}/test", write,
                   [&frame, &desk](std::shared_ptr<Call> call) {
                     return test(desk, frame.worker(), std::move(call));
                   });
}

}  // namespace ekiden::api::admin
