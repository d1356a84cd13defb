#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <string>
#include <vector>

#include "ekiden/account/store.hpp"

/// What the control store has as JSON: what commands print with --json and the API answers. Times
/// are RFC 3339, null where there is none. No secret is in any of them.
namespace ekiden::account {

boost::json::value time_or_null(base::Time time);
boost::json::array list_of(const std::vector<std::string>& items);

boost::json::object to_json(const ApiKey& key);
boost::json::object to_json(const Credential& credential);
/// `now` decides whether it has expired.
boost::json::object to_json(const Suppression& entry, base::Time now);
boost::json::object to_json(const AuditEntry& entry);
boost::json::object to_json(const AuditCheck& check);
boost::json::object to_json(const Webhook& webhook);
boost::json::object to_json(const WebhookOrder& order);
boost::json::object to_json(const DomainKey& key);
boost::json::object to_json(const SenderDomain& domain);
boost::json::object to_json(const Stream& stream);
/// `rate` as "100/min", or null; numbers null without a limit.
boost::json::object to_json(const Limits& limits);

/// What of a counter belongs to the period that runs now.
std::uint64_t current(const QuotaCounter::Value& value, std::uint64_t period);
std::string_view stream_kind_name(StreamKind kind);  ///< "transactional", "bulk"
std::optional<StreamKind> parse_stream_kind(std::string_view name);
/// "100/min".
std::string rate_text(const MessageRate& rate);

/// Which mail is archived: "all", "off", or streams with commas between.
std::string describe_archive(const TenantSettings& settings);
/// The same read back; false when it names no streams.
bool read_archive(std::string_view text, TenantSettings& settings);

/// A tenant, what it may do and has done. Several readings of the store.
Result<boost::json::object> describe_tenant(Store& store, std::string_view name, base::Time now);

/// "name. IN TXT ( "…" "…" )", in strings of 255 octets as a zone file needs them.
std::string zone_line(const DomainKey& key);

}  // namespace ekiden::account
