#pragma once

#include <cstdint>
#include <string>

#include "ekiden/cli/user_commands.hpp"

namespace ekiden::cli {

struct DkimKeygenOptions {
  std::string domain;
  std::string selector;  ///< empty: made of the day, "s20261122"
  std::string tenant;    ///< empty: the key signs every tenant's mail
  bool ed25519 = false;
  std::uint32_t bits = 2048;
};

struct DkimRetireOptions {
  std::string domain, selector;
  bool force = false;
};

/// `ekiden dkim keygen|list|rotate|retire`, on the control store of a node that runs or not. Each
/// gives the exit status as the commands of `ekiden user` do.
int dkim_keygen(const DkimKeygenOptions& options, UserContext& context);
int dkim_list(const std::string& domain, UserContext& context);
/// A new key for each kind of key that signs for the domain now. They sign once their records are
/// seen in the DNS; then the old ones stop.
int dkim_rotate(const std::string& domain, UserContext& context);
int dkim_retire(const DkimRetireOptions& options, UserContext& context);

}  // namespace ekiden::cli
