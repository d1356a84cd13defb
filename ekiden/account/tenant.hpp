#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/account/limits.hpp"
#include "ekiden/account/suppression_set.hpp"

namespace ekiden::account {

inline constexpr std::size_t kStreamsMax = 100;
/// Of a stream's share; a stream of 1000 gets a thousand turns for one of a stream of 1.
inline constexpr std::uint32_t kStreamWeightMax = 1000;

/// A tenant's kind of mail.
struct Stream {
  std::string name;
  StreamKind kind = StreamKind::Bulk;
  std::uint32_t weight = 1;

  friend bool operator==(const Stream&, const Stream&) = default;
};

/// What an operator may set of a tenant. Nothing set: no limit, any sender, any stream.
struct TenantSettings {
  std::vector<Stream> streams;              ///< by name; empty: any name may be used
  std::vector<std::string> sender_domains;  ///< canonical, "*.name" for all below; empty: any
  Limits limits;
  Limits credential_limits;  ///< of each of its credentials that has none of its own
  bool requires_proven_domains = false;
  /// Failures for good that were not the address's end, after which it is suppressed; zero: never.
  std::uint32_t soft_failures = 0;
  /// How long an automatic suppression lasts, in days; zero: for good.
  std::uint32_t suppression_days = 0;
  /// Copies of its messages are kept: of all, or of these streams.
  bool archives_all = false;
  std::vector<std::string> archived_streams;

  friend bool operator==(const TenantSettings&, const TenantSettings&) = default;
};

/// As the store and the audit log keep it: one JSON object, what is not set left out.
std::string format_settings(const TenantSettings& settings);
std::optional<TenantSettings> parse_settings(std::string_view text);
std::string format_limits(const Limits& limits);
std::optional<Limits> parse_limits(std::string_view text);

/// A tenant as admission sees it.
struct TenantRules {
  TenantSettings settings;
  std::vector<std::string> proven_domains;  ///< by name
  std::shared_ptr<LimitState> state;        ///< null without limits

  /// Its mail may say it comes from there. An empty domain, a bounce's, may.
  bool may_send_as(const std::string& domain) const;
  /// One of its streams, or one that every tenant has; anything while it has named none.
  bool has_stream(std::string_view name) const;
};

/// Whether copies of such messages are kept; not without settings.
bool is_archived(const TenantRules* tenant, std::string_view stream);

/// What a stream is, by the tenant's settings; without any, only "transactional" is transactional.
Stream stream_of(const TenantRules* tenant, std::string_view name);

/// "example.jp" is itself; "*.example.jp" is every domain below.
bool matches_domain(std::string_view pattern, std::string_view domain);

/// A credential's limits, where it or its tenant has some.
struct CredentialRules {
  Limits limits;
  std::shared_ptr<LimitState> state;
};

}  // namespace ekiden::account
