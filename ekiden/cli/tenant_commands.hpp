#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ekiden/cli/user_commands.hpp"

namespace ekiden::cli {

/// What `tenant set` is told; what is absent stays. "off" and "none" take a setting away.
struct TenantSetOptions {
  std::string name;
  std::vector<std::string> streams;  ///< "news:bulk:5": name, kind, weight
  std::vector<std::string> removed_streams;
  std::optional<std::vector<std::string>> sender_domains;
  std::optional<std::string> rate, per_day, per_month;
  std::optional<std::string> credential_rate, credential_per_day, credential_per_month;
  std::optional<std::string> proven_domains;  ///< "required", "off"
  std::optional<std::string> soft_failures;
  std::optional<std::string> suppress_for;
  std::optional<std::string> archive;  ///< "all", "off", or streams with commas between them
};

/// `ekiden tenant show|set|remove`, `ekiden user limit`. As in user_commands.hpp.
int tenant_show(const std::string& name, UserContext& context);
int tenant_set(const TenantSetOptions& options, UserContext& context);
int tenant_remove(const std::string& name, UserContext& context);

struct UserLimitOptions {
  std::string name;
  std::optional<std::string> rate, per_day, per_month;
  bool is_reset = false;  ///< as the tenant says for each of its users
};
int user_limit(const UserLimitOptions& options, UserContext& context);

/// `ekiden audit list|verify`.
struct AuditOptions {
  std::size_t count = 50;
  std::string subject, action;
  std::string head;
};
int audit_list(const AuditOptions& options, UserContext& context);
int audit_verify(const AuditOptions& options, UserContext& context);

}  // namespace ekiden::cli
