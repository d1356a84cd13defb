// The webhooks in the control store; see store.cpp for what holds of all of it.
#include <algorithm>
#include <array>

#include "ekiden/account/store.hpp"
#include "ekiden/account/store_lists.hpp"

namespace ekiden::account {
namespace {

constexpr std::array<std::string_view, 7> kFormats = {
    "standard", "sendgrid", "blastengine", "slack", "teams", "chatwork", "lineworks"};
constexpr std::array<std::string_view, 3> kStates = {"active", "paused", "disabled"};
constexpr std::array<std::string_view, 3> kOrders = {"test", "replay", "skip"};

template <class Enum, std::size_t N>
std::optional<Enum> parse(const std::array<std::string_view, N>& names, std::string_view name) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) return std::nullopt;
  return static_cast<Enum>(found - names.begin());
}

std::string subject_of(std::int64_t id) {
  return "webhook " + std::to_string(id);
}

constexpr std::string_view kColumns =
    "id, tenant, origin, sealed_url, format, kinds, streams, batch_max, sealed_secret, "
    "sealed_previous, previous_until_us, state, reason, created_us, changed_us";
constexpr std::string_view kOrderColumns =
    "id, webhook, kind, from_us, until_us, created_us, done_us, is_done_well, outcome";

/// Nothing when a field makes no sense.
std::optional<Webhook> webhook_of(const Statement& row) {
  const auto format = parse_webhook_format(row.text(4));
  const auto state = parse_webhook_state(row.text(11));
  if (!format || !state || row.integer(7) <= 0) return std::nullopt;
  Webhook webhook;
  webhook.id = row.integer(0);
  webhook.tenant = row.text(1);
  webhook.origin = row.text(2);
  webhook.sealed_url = row.text(3);
  webhook.format = *format;
  webhook.kinds = split_list(row.text(5));
  webhook.streams = split_list(row.text(6));
  webhook.batch_max = static_cast<std::uint32_t>(row.integer(7));
  webhook.sealed_secret = row.text(8);
  webhook.sealed_previous = row.text(9);
  webhook.previous_until = base::from_unix_us(row.integer(10));
  webhook.state = *state;
  webhook.reason = row.text(12);
  webhook.created = base::from_unix_us(row.integer(13));
  webhook.changed = base::from_unix_us(row.integer(14));
  return webhook;
}

std::optional<WebhookOrder> order_of(const Statement& row) {
  const auto kind = parse<WebhookOrderKind>(kOrders, row.text(2));
  if (!kind) return std::nullopt;
  WebhookOrder order;
  order.id = row.integer(0);
  order.webhook = row.integer(1);
  order.kind = *kind;
  order.from = base::from_unix_us(row.integer(3));
  order.until = base::from_unix_us(row.integer(4));
  order.created = base::from_unix_us(row.integer(5));
  order.done = base::from_unix_us(row.integer(6));
  order.is_done_well = row.integer(7) != 0;
  order.outcome = row.text(8);
  return order;
}

}  // namespace

std::string_view webhook_format_name(WebhookFormat format) {
  return kFormats[static_cast<std::size_t>(format)];
}
std::optional<WebhookFormat> parse_webhook_format(std::string_view name) {
  return parse<WebhookFormat>(kFormats, name);
}
std::string_view webhook_state_name(WebhookState state) {
  return kStates[static_cast<std::size_t>(state)];
}
std::optional<WebhookState> parse_webhook_state(std::string_view name) {
  return parse<WebhookState>(kStates, name);
}
std::string_view webhook_order_name(WebhookOrderKind kind) {
  return kOrders[static_cast<std::size_t>(kind)];
}

Result<std::int64_t> Store::add_webhook(const Webhook& webhook, const Author& author) {
  const std::lock_guard lock(mutex_);
  auto transaction = Transaction::begin(database_);
  if (!transaction) return transaction.error();
  if (const auto tenant = require_tenant(webhook.tenant); !tenant) return tenant.error();
  const auto count = database_.integer("SELECT count(*) FROM webhooks");
  if (!count) return count.error();
  if (*count >= static_cast<std::int64_t>(kWebhooksMax)) return make_error_code(Errc::TooMany);
  auto insert = database_.prepare(
      "INSERT INTO webhooks(tenant, origin, sealed_url, format, kinds, streams, batch_max, "
      "sealed_secret, sealed_previous, previous_until_us, state, reason, created_us, changed_us) "
      "VALUES(?,?,?,?,?,?,?,?,?,0,?,'',?,?)");
  if (!insert) return insert.error();
  insert->bind(webhook.tenant).bind(webhook.origin).bind_octets(webhook.sealed_url);
  insert->bind(webhook_format_name(webhook.format)).bind(join_list(webhook.kinds));
  insert->bind(join_list(webhook.streams)).bind(std::int64_t{webhook.batch_max});
  insert->bind_octets(webhook.sealed_secret).bind_octets("");
  insert->bind(webhook_state_name(WebhookState::Active));
  insert->bind(base::to_unix_us(author.now)).bind(base::to_unix_us(author.now));
  if (const auto done = insert->run(); !done) return done.error();
  const std::int64_t id = database_.last_row_id();
  const std::string detail = "tenant " + webhook.tenant + " to " + webhook.origin + " as " +
                             std::string(webhook_format_name(webhook.format));
  if (const auto noted = note(author, "webhook.add", subject_of(id), detail); !noted) {
    return noted.error();
  }
  if (const auto done = transaction->commit(); !done) return done.error();
  publish_or_log();
  return id;
}

Result<std::vector<Webhook>> Store::webhooks(std::string_view tenant) {
  const std::lock_guard lock(mutex_);
  return read_webhooks(tenant);
}

Result<void> Store::set_webhook(const Webhook& webhook, std::string_view what, const Author& author,
                                std::optional<base::Time> unchanged_since) {
  const std::lock_guard lock(mutex_);
  auto transaction = Transaction::begin(database_);
  if (!transaction) return transaction.error();
  auto update = database_.prepare(
      "UPDATE webhooks SET origin=?, sealed_url=?, format=?, kinds=?, streams=?, batch_max=?, "
      "sealed_secret=?, sealed_previous=?, previous_until_us=?, state=?, reason=?, changed_us=? "
      "WHERE id=? AND (? OR changed_us=?)");
  if (!update) return update.error();
  update->bind(webhook.origin).bind_octets(webhook.sealed_url);
  update->bind(webhook_format_name(webhook.format)).bind(join_list(webhook.kinds));
  update->bind(join_list(webhook.streams)).bind(std::int64_t{webhook.batch_max});
  update->bind_octets(webhook.sealed_secret).bind_octets(webhook.sealed_previous);
  update->bind(base::to_unix_us(webhook.previous_until));
  update->bind(webhook_state_name(webhook.state)).bind(webhook.reason);
  update->bind(base::to_unix_us(author.now)).bind(webhook.id);
  update->bind(std::int64_t{!unchanged_since});
  update->bind(base::to_unix_us(unchanged_since.value_or(base::Time{})));
  if (const auto done = update->run(); !done) return done.error();
  if (database_.rows_changed() == 0) return make_error_code(Errc::NotFound);
  if (const auto noted = note(author, "webhook.set", subject_of(webhook.id), what); !noted) {
    return noted.error();
  }
  if (const auto done = transaction->commit(); !done) return done.error();
  publish_or_log();
  return {};
}

Result<void> Store::remove_webhook(std::int64_t id, const Author& author) {
  const std::lock_guard lock(mutex_);
  auto transaction = Transaction::begin(database_);
  if (!transaction) return transaction.error();
  auto erase = database_.prepare("DELETE FROM webhooks WHERE id=?");
  if (!erase) return erase.error();
  if (const auto done = erase->bind(id).run(); !done) return done.error();
  if (database_.rows_changed() == 0) return make_error_code(Errc::NotFound);
  if (const auto noted = note(author, "webhook.remove", subject_of(id), ""); !noted) {
    return noted.error();
  }
  if (const auto done = transaction->commit(); !done) return done.error();
  publish_or_log();
  return {};
}

Result<std::int64_t> Store::add_webhook_order(const WebhookOrder& order, const Author& author) {
  const std::lock_guard lock(mutex_);
  auto transaction = Transaction::begin(database_);
  if (!transaction) return transaction.error();
  auto known = database_.prepare("SELECT 1 FROM webhooks WHERE id=?");
  if (!known) return known.error();
  const auto row = known->bind(order.webhook).step();
  if (!row) return row.error();
  if (*row == Statement::Step::End) return make_error_code(Errc::NotFound);
  auto open =
      database_.prepare("SELECT count(*) FROM webhook_orders WHERE webhook=? AND done_us=0");
  if (!open) return open.error();
  const auto counted = open->bind(order.webhook).step();
  if (!counted) return counted.error();
  if (open->integer(0) >= static_cast<std::int64_t>(kWebhookOrdersMax)) {
    return make_error_code(Errc::TooMany);
  }
  auto insert = database_.prepare(
      "INSERT INTO webhook_orders(webhook, kind, from_us, until_us, created_us, done_us, "
      "is_done_well, outcome) VALUES(?,?,?,?,?,0,0,'')");
  if (!insert) return insert.error();
  insert->bind(order.webhook).bind(webhook_order_name(order.kind));
  insert->bind(base::to_unix_us(order.from)).bind(base::to_unix_us(order.until));
  insert->bind(base::to_unix_us(author.now));
  if (const auto done = insert->run(); !done) return done.error();
  const std::int64_t id = database_.last_row_id();
  std::string detail;
  if (order.kind == WebhookOrderKind::Replay) {
    detail = base::format_rfc3339(order.from) + " to " + base::format_rfc3339(order.until);
  }
  const std::string action = "webhook." + std::string(webhook_order_name(order.kind));
  if (const auto noted = note(author, action, subject_of(order.webhook), detail); !noted) {
    return noted.error();
  }
  if (const auto done = transaction->commit(); !done) return done.error();
  publish_or_log();
  return id;
}

Result<WebhookOrder> Store::webhook_order(std::int64_t id) {
  const std::lock_guard lock(mutex_);
  auto select =
      database_.prepare("SELECT " + std::string(kOrderColumns) + " FROM webhook_orders WHERE id=?");
  if (!select) return select.error();
  const auto row = select->bind(id).step();
  if (!row) return row.error();
  if (*row == Statement::Step::End) return make_error_code(Errc::NotFound);
  auto order = order_of(*select);
  if (!order) return make_error_code(Errc::Corrupt);
  return std::move(*order);
}

Result<void> Store::finish_webhook_order(std::int64_t id, bool is_done_well,
                                         std::string_view outcome, base::Time now) {
  const std::lock_guard lock(mutex_);
  auto transaction = Transaction::begin(database_);
  if (!transaction) return transaction.error();
  auto update = database_.prepare(
      "UPDATE webhook_orders SET done_us=?, is_done_well=?, outcome=? WHERE id=? AND done_us=0");
  if (!update) return update.error();
  update->bind(base::to_unix_us(now)).bind(std::int64_t{is_done_well}).bind(outcome).bind(id);
  if (const auto done = update->run(); !done) return done.error();
  auto forget = database_.prepare(
      "DELETE FROM webhook_orders WHERE done_us!=0 AND webhook=(SELECT webhook FROM "
      "webhook_orders WHERE id=?1) AND id<=?1-?2");
  if (!forget) return forget.error();
  forget->bind(id).bind(static_cast<std::int64_t>(kWebhookOrdersMax));
  if (const auto done = forget->run(); !done) return done.error();
  if (const auto done = transaction->commit(); !done) return done.error();
  publish_or_log();
  return {};
}

Result<std::vector<Webhook>> Store::read_webhooks(std::string_view tenant) {
  auto select = database_.prepare("SELECT " + std::string(kColumns) +
                                  " FROM webhooks WHERE ?1='' OR tenant=?1 ORDER BY id");
  if (!select) return select.error();
  select->bind(tenant);
  auto webhooks = read_rows<Webhook>(*select, "webhook_unreadable", webhook_of);
  if (!webhooks) return webhooks.error();
  auto orders = database_.prepare("SELECT " + std::string(kOrderColumns) +
                                  " FROM webhook_orders WHERE done_us=0 ORDER BY id");
  if (!orders) return orders.error();
  const auto open = read_rows<WebhookOrder>(*orders, "webhook_order_unreadable", order_of);
  if (!open) return open.error();
  for (const WebhookOrder& order : *open) {
    for (Webhook& webhook : *webhooks) {
      if (webhook.id == order.webhook) webhook.orders.push_back(order);
    }
  }
  return webhooks;
}

}  // namespace ekiden::account
