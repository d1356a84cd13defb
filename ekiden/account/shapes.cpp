#include "ekiden/account/shapes.hpp"

#include "ekiden/account/password.hpp"
#include "ekiden/config/units.hpp"

namespace ekiden::account {

namespace json = boost::json;

namespace {

json::string text(std::string_view of) {
  return json::string(json::string_view(of.data(), of.size()));
}

json::array networks_of(const Credential& credential) {
  json::array networks;
  for (const net::AddressBlock& block : credential.networks) networks.push_back(text(block.text()));
  return networks;
}

json::value text_or_null(std::string_view of) {
  if (of.empty()) return nullptr;
  return text(of);
}

}  // namespace

json::value time_or_null(base::Time time) {
  if (time == base::Time{}) return nullptr;
  return text(base::format_rfc3339(time));
}

json::array list_of(const std::vector<std::string>& items) {
  json::array array;
  for (const std::string& item : items) array.push_back(text(item));
  return array;
}

json::object to_json(const ApiKey& key) {
  const Credential& c = key.credential;
  return {{"name", key.name},
          {"id", key.id},
          {"tenant", c.tenant},
          {"stream", c.stream},
          {"streams", list_of(c.streams)},
          {"role", text(key_role_name(key.role))},
          {"scopes", list_of(key.scopes)},
          {"sender_domains", list_of(c.sender_domains)},
          {"networks", networks_of(c)},
          {"created", time_or_null(key.created)},
          {"expires", time_or_null(c.expires)}};
}

json::object to_json(const Credential& c) {
  json::array methods;
  if (!c.argon2id.empty()) methods.push_back("password");
  if (!c.scram_stored_key.empty()) methods.push_back("scram");
  if (!c.key_hash.empty()) methods.push_back("api-key");
  if (!c.certificate_sha256.empty()) methods.push_back("certificate");
  return {{"name", c.name},
          {"tenant", c.tenant},
          {"stream", c.stream},
          {"streams", list_of(c.streams)},
          {"methods", std::move(methods)},
          {"sender_domains", list_of(c.sender_domains)},
          {"networks", networks_of(c)},
          {"certificate_sha256", text_or_null(c.certificate_sha256)}};
}

json::object to_json(const Suppression& entry, base::Time now) {
  json::object object{{"address", entry.address},
                      {"tenant", entry.tenant},
                      {"stream", suppression_stream_word(entry.stream)},
                      {"reason", text(name_of(entry.reason))},
                      {"created", base::format_rfc3339(entry.created)}};
  if (entry.expires != base::Time{}) object["expires"] = base::format_rfc3339(entry.expires);
  if (entry.is_expired(now)) object["expired"] = true;
  if (!entry.note.empty()) object["note"] = entry.note;
  if (!entry.source.empty()) object["source"] = entry.source;
  return object;
}

json::object to_json(const AuditEntry& entry) {
  return {{"id", entry.id},         {"time", base::format_rfc3339(entry.time)},
          {"author", entry.author}, {"origin", entry.origin},
          {"action", entry.action}, {"subject", entry.subject},
          {"detail", entry.detail}, {"before", entry.before},
          {"after", entry.after},   {"hash", entry.hash}};
}

json::object to_json(const AuditCheck& check) {
  json::object object{
      {"entries", check.entries}, {"intact", check.broken_at == 0}, {"head", check.head}};
  if (check.broken_at != 0) {
    object["broken_at"] = check.broken_at;
    object["problem"] = check.problem;
  }
  return object;
}

json::object to_json(const WebhookOrder& order) {
  return {{"id", order.id},
          {"kind", text(webhook_order_name(order.kind))},
          {"from", time_or_null(order.from)},
          {"until", time_or_null(order.until)},
          {"created", time_or_null(order.created)}};
}

json::object to_json(const Webhook& webhook) {
  json::array orders;
  for (const WebhookOrder& order : webhook.orders) orders.push_back(to_json(order));
  return {{"id", webhook.id},
          {"tenant", webhook.tenant},
          {"origin", webhook.origin},
          {"format", text(webhook_format_name(webhook.format))},
          {"kinds", list_of(webhook.kinds)},
          {"streams", list_of(webhook.streams)},
          {"batch", webhook.batch_max},
          {"state", text(webhook_state_name(webhook.state))},
          {"reason", webhook.reason},
          {"created", time_or_null(webhook.created)},
          {"changed", time_or_null(webhook.changed)},
          {"orders", std::move(orders)}};
}

std::string zone_line(const DomainKey& key) {
  constexpr std::size_t kStringOctetsMax = 255;
  std::string line = key.record_name() + ". IN TXT (";
  for (std::size_t at = 0; at < key.record.size(); at += kStringOctetsMax) {
    line += " \"" + key.record.substr(at, kStringOctetsMax) + "\"";
  }
  return line + " )";
}

json::object to_json(const DomainKey& key) {
  return {{"domain", key.domain},
          {"selector", key.selector},
          {"type", key.type},
          {"bits", key.bits},
          {"state", text(domain_key_state_name(key.state))},
          {"record_name", key.record_name()},
          {"record", key.record},
          {"zone_line", zone_line(key)},
          {"created", time_or_null(key.created)},
          {"changed", time_or_null(key.changed)},
          {"last_signed", time_or_null(key.last_signed)},
          {"tenant", text_or_null(key.tenant)}};
}

json::object to_json(const SenderDomain& domain) {
  json::object object{{"domain", domain.name},
                      {"tenant", domain.tenant},
                      {"proven", domain.is_proven()},
                      {"proof", domain.proof}};
  if (domain.is_proven()) object["since"] = base::format_rfc3339(domain.proven);
  return object;
}

std::string_view stream_kind_name(StreamKind kind) {
  return kind == StreamKind::Transactional ? "transactional" : "bulk";
}

std::optional<StreamKind> parse_stream_kind(std::string_view name) {
  if (name == "transactional") return StreamKind::Transactional;
  if (name == "bulk") return StreamKind::Bulk;
  return std::nullopt;
}

json::object to_json(const Stream& stream) {
  return {{"name", stream.name},
          {"kind", text(stream_kind_name(stream.kind))},
          {"weight", stream.weight}};
}

std::string rate_text(const MessageRate& rate) {
  return config::format_rate({rate.count, rate.per});
}

json::object to_json(const Limits& limits) {
  const auto number = [](std::uint64_t n) {
    return n == 0 ? json::value(nullptr) : json::value(n);
  };
  json::object object;
  object["rate"] =
      limits.rate.count == 0 ? json::value(nullptr) : json::value(text(rate_text(limits.rate)));
  object["messages_per_day"] = number(limits.per_day);
  object["messages_per_month"] = number(limits.per_month);
  return object;
}

std::uint64_t current(const QuotaCounter::Value& value, std::uint64_t period) {
  return value.period == period ? value.count : 0;
}

std::string describe_archive(const TenantSettings& settings) {
  if (settings.archives_all) return "all";
  std::string list;
  for (const std::string& stream : settings.archived_streams)
    list += (list.empty() ? "" : ",") + stream;
  return list.empty() ? "off" : list;
}

bool read_archive(std::string_view text, TenantSettings& settings) {
  settings.archives_all = text == "all";
  settings.archived_streams.clear();
  if (text == "all" || text == "off") return true;
  while (true) {
    const std::size_t comma = text.find(',');
    const std::string_view name = text.substr(0, comma);
    if (!check_label(name) || settings.archived_streams.size() >= kStreamsMax) return false;
    settings.archived_streams.emplace_back(name);
    if (comma == std::string_view::npos) return true;
    text.remove_prefix(comma + 1);
  }
}

Result<json::object> describe_tenant(Store& store, std::string_view name, base::Time now) {
  const auto tenant = store.tenant(name);
  if (!tenant) return tenant.error();
  const auto usage = store.usage(false, name);
  if (!usage) return usage.error();
  const auto domains = store.sender_domains(name);
  if (!domains) return domains.error();
  SuppressionFilter filter;
  filter.tenant = name;
  const auto suppressed = store.count_suppressions(filter);
  if (!suppressed) return suppressed.error();
  const TenantSettings& settings = tenant->settings;
  json::array streams, proven;
  for (const Stream& stream : settings.streams) streams.push_back(to_json(stream));
  for (const SenderDomain& domain : *domains)
    if (domain.is_proven()) proven.push_back(text(domain.name));
  return json::object{{"name", tenant->name},
                      {"created", base::format_rfc3339(tenant->created)},
                      {"users", tenant->credentials},
                      {"streams", std::move(streams)},
                      {"sender_domains", list_of(settings.sender_domains)},
                      {"proven_domains", std::move(proven)},
                      {"proven_domains_required", settings.requires_proven_domains},
                      {"limits", to_json(settings.limits)},
                      {"user_limits", to_json(settings.credential_limits)},
                      {"sent_today", current(usage->day, day_of(now))},
                      {"sent_this_month", current(usage->month, month_of(now))},
                      {"soft_failures", settings.soft_failures},
                      {"suppression_days", settings.suppression_days},
                      {"archive", describe_archive(settings)},
                      {"suppressed", *suppressed}};
}

}  // namespace ekiden::account
