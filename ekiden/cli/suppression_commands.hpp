#pragma once

#include <string>
#include <vector>

#include "ekiden/cli/user_commands.hpp"

namespace ekiden::cli {

struct SuppressionOptions {
  std::vector<std::string> addresses;
  std::string tenant = "default";
  std::string stream;  ///< a name, "all" or "bulk-streams"; empty: all, or in a filter: any
  std::string reason;
  std::string domain;
  std::string note;
  std::string expires;  ///< "90d", or a day
  std::string before, since;
  std::string file = "-";
  std::string errors;  ///< where to write what was refused
  std::string format = "csv";
  std::size_t count = 0;  ///< zero: all
  bool is_all = false;
};

/// `ekiden suppression add|show|list|remove|import|export`. Each gives the exit status: 0 done,
/// 1 refused, 2 wrong usage, 3 the store failed.
int suppression_add(const SuppressionOptions& options, UserContext& context);
int suppression_show(const SuppressionOptions& options, UserContext& context);
int suppression_list(const SuppressionOptions& options, UserContext& context);
int suppression_remove(const SuppressionOptions& options, UserContext& context);
/// `octets`: the file.
int suppression_import(const SuppressionOptions& options, std::string octets, UserContext& context);
int suppression_export(const SuppressionOptions& options, UserContext& context);

}  // namespace ekiden::cli
