#pragma once

#include <string>
#include <vector>

#include "ekiden/cli/user_commands.hpp"

namespace ekiden::cli {

struct KeyCreateOptions {
  std::string name;
  std::string tenant = "default";
  std::string stream = "transactional";
  std::vector<std::string> streams;  ///< that a message may choose beside `stream`; none: any
  std::vector<std::string> scopes;   ///< none: whatever the role allows
  std::vector<std::string> sender_domains;
  std::vector<std::string> networks;
  bool is_read_only = false;
  std::string expires;  ///< "30d" from now, or a date; empty: never
};

/// `ekiden key create|list|revoke`, on the control store of a node that runs or not. Each gives
/// the exit status as the commands of `ekiden user` do.
int key_create(const KeyCreateOptions& options, UserContext& context);
int key_list(const std::string& tenant, UserContext& context);
int key_revoke(const std::string& name, UserContext& context);

}  // namespace ekiden::cli
