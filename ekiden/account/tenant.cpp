#include "ekiden/account/tenant.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

namespace ekiden::account {

namespace json = boost::json;

namespace {

void put(json::object& into, std::string_view key, std::uint64_t number) {
  if (number != 0) into[key] = number;
}

/// Zero when it is absent; nothing when it is no such number.
std::optional<std::uint64_t> number(const json::object& from, std::string_view key,
                                    std::uint64_t most = INT64_MAX) {
  const json::value* value = from.if_contains(key);
  if (value == nullptr) return 0;
  boost::system::error_code error;
  const auto found = value->to_number<std::uint64_t>(error);
  if (error || found > most) return std::nullopt;
  return found;
}

json::object limits_object(const Limits& limits) {
  json::object object;
  put(object, "rate_count", limits.rate.count);
  put(object, "rate_per_us", static_cast<std::uint64_t>(limits.rate.per.count()));
  put(object, "per_day", limits.per_day);
  put(object, "per_month", limits.per_month);
  return object;
}

std::optional<Limits> limits_of(const json::value& value) {
  const json::object* object = value.if_object();
  if (object == nullptr) return std::nullopt;
  const auto count = number(*object, "rate_count", UINT32_MAX);
  const auto per = number(*object, "rate_per_us");
  const auto day = number(*object, "per_day");
  const auto month = number(*object, "per_month");
  if (!count || !per || !day || !month || (*count != 0 && *per == 0)) return std::nullopt;
  Limits limits;
  limits.rate = {static_cast<std::uint32_t>(*count),
                 base::Duration(static_cast<std::int64_t>(*per))};
  limits.per_day = *day;
  limits.per_month = *month;
  return limits;
}

std::optional<Stream> stream_from(const json::value& value) {
  const json::object* object = value.if_object();
  const json::value* name = object == nullptr ? nullptr : object->if_contains("name");
  if (name == nullptr || !name->is_string()) return std::nullopt;
  const auto weight = number(*object, "weight", kStreamWeightMax);
  if (!weight || *weight == 0) return std::nullopt;
  Stream stream;
  stream.name = std::string(name->get_string());
  const json::value* kind = object->if_contains("kind");
  stream.kind =
      kind != nullptr && *kind == "transactional" ? StreamKind::Transactional : StreamKind::Bulk;
  stream.weight = static_cast<std::uint32_t>(*weight);
  return stream;
}

}  // namespace

std::string format_limits(const Limits& limits) {
  return json::serialize(limits_object(limits));
}

std::optional<Limits> parse_limits(std::string_view text) {
  boost::system::error_code error;
  const json::value value = json::parse(text, error);
  if (error) return std::nullopt;
  return limits_of(value);
}

std::string format_settings(const TenantSettings& settings) {
  json::object object;
  if (!settings.streams.empty()) {
    json::array streams;
    for (const Stream& stream : settings.streams)
      streams.push_back(json::object{
          {"name", stream.name},
          {"kind", stream.kind == StreamKind::Transactional ? "transactional" : "bulk"},
          {"weight", stream.weight}});
    object["streams"] = std::move(streams);
  }
  if (!settings.sender_domains.empty()) {
    json::array domains;
    for (const std::string& domain : settings.sender_domains)
      domains.push_back(json::string(domain));
    object["sender_domains"] = std::move(domains);
  }
  if (!settings.limits.is_none()) object["limits"] = limits_object(settings.limits);
  if (!settings.credential_limits.is_none())
    object["credential_limits"] = limits_object(settings.credential_limits);
  if (settings.requires_proven_domains) object["requires_proven_domains"] = true;
  put(object, "soft_failures", settings.soft_failures);
  put(object, "suppression_days", settings.suppression_days);
  if (settings.archives_all) object["archives_all"] = true;
  if (!settings.archived_streams.empty()) {
    json::array streams;
    for (const std::string& stream : settings.archived_streams)
      streams.push_back(json::string(stream));
    object["archived_streams"] = std::move(streams);
  }
  return json::serialize(object);
}

std::optional<TenantSettings> parse_settings(std::string_view text) {
  boost::system::error_code error;
  const json::value value = json::parse(text, error);
  const json::object* object = error ? nullptr : value.if_object();
  if (object == nullptr) return std::nullopt;
  TenantSettings settings;
  if (const json::value* streams = object->if_contains("streams")) {
    if (!streams->is_array()) return std::nullopt;
    for (const json::value& one : streams->get_array()) {
      auto stream = stream_from(one);
      if (!stream) return std::nullopt;
      settings.streams.push_back(std::move(*stream));
    }
  }
  if (const json::value* domains = object->if_contains("sender_domains")) {
    if (!domains->is_array()) return std::nullopt;
    for (const json::value& one : domains->get_array()) {
      if (!one.is_string()) return std::nullopt;
      settings.sender_domains.emplace_back(one.get_string());
    }
  }
  if (const json::value* streams = object->if_contains("archived_streams")) {
    if (!streams->is_array()) return std::nullopt;
    for (const json::value& one : streams->get_array()) {
      if (!one.is_string()) return std::nullopt;
      settings.archived_streams.emplace_back(one.get_string());
    }
  }
  const json::value* all = object->if_contains("archives_all");
  if (all != nullptr && !all->is_bool()) return std::nullopt;
  settings.archives_all = all != nullptr && all->get_bool();
  const auto take_limits = [&](std::string_view key, Limits& into) {
    const json::value* limits = object->if_contains(key);
    if (limits == nullptr) return true;
    const auto parsed = limits_of(*limits);
    if (parsed) into = *parsed;
    return parsed.has_value();
  };
  if (!take_limits("limits", settings.limits)) return std::nullopt;
  if (!take_limits("credential_limits", settings.credential_limits)) return std::nullopt;
  const json::value* proven = object->if_contains("requires_proven_domains");
  if (proven != nullptr && !proven->is_bool()) return std::nullopt;
  settings.requires_proven_domains = proven != nullptr && proven->get_bool();
  const auto soft = number(*object, "soft_failures", UINT32_MAX);
  const auto days = number(*object, "suppression_days", 36'500);
  if (!soft || !days) return std::nullopt;
  settings.soft_failures = static_cast<std::uint32_t>(*soft);
  settings.suppression_days = static_cast<std::uint32_t>(*days);
  return settings;
}

bool matches_domain(std::string_view pattern, std::string_view domain) {
  if (pattern == domain) return true;
  return pattern.size() > 2 && pattern[0] == '*' && pattern[1] == '.' &&
         domain.size() > pattern.size() - 1 && domain.ends_with(pattern.substr(1));
}

bool TenantRules::may_send_as(const std::string& domain) const {
  const auto& allowed = settings.sender_domains;
  const bool is_allowed =
      allowed.empty() || std::any_of(allowed.begin(), allowed.end(), [&](const auto& pattern) {
        return matches_domain(pattern, domain);
      });
  if (!is_allowed || !settings.requires_proven_domains) return is_allowed;
  return std::any_of(proven_domains.begin(), proven_domains.end(), [&](const std::string& proven) {
    return domain == proven || (domain.size() > proven.size() && domain.ends_with(proven) &&
                                domain[domain.size() - proven.size() - 1] == '.');
  });
}

bool TenantRules::has_stream(std::string_view name) const {
  return settings.streams.empty() || name == "transactional" || name == "bulk" ||
         std::any_of(settings.streams.begin(), settings.streams.end(),
                     [&](const Stream& stream) { return stream.name == name; });
}

bool is_archived(const TenantRules* tenant, std::string_view stream) {
  if (tenant == nullptr) return false;
  const auto& streams = tenant->settings.archived_streams;
  return tenant->settings.archives_all ||
         std::find(streams.begin(), streams.end(), stream) != streams.end();
}

Stream stream_of(const TenantRules* tenant, std::string_view name) {
  if (tenant != nullptr) {
    for (const Stream& stream : tenant->settings.streams)
      if (stream.name == name) return stream;
  }
  return {std::string(name), name == "transactional" ? StreamKind::Transactional : StreamKind::Bulk,
          1};
}

}  // namespace ekiden::account
