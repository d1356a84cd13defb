#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "ekiden/account/store.hpp"
#include "ekiden/base/random.hpp"

namespace ekiden::cli {

/// What a command on the control store works with.
struct UserContext {
  account::Store& store;
  const account::HashKey& node_key;
  base::Random& random;
  account::Author author;
  std::istream& in;  ///< the password of --password-stdin
  std::ostream& out;
  std::ostream& err;
  bool is_json = false;
  account::PasswordCost cost = {};  ///< of passwords set now
};

struct UserSecretOptions {
  bool password_stdin = false;
  bool scram = false;    ///< keep SCRAM-SHA-256 keys too; needs a password
  bool api_key = false;  ///< make a random key and show it, this once
};

struct UserAddOptions {
  std::string name;
  std::string tenant = "default";
  std::string stream = "transactional";
  std::vector<std::string> sender_domains;
  std::vector<std::string> networks;
  std::string certificate_sha256;  ///< hexadecimal, any case, colons allowed
  UserSecretOptions secret;
};

struct UserPasswdOptions {
  std::string name;
  UserSecretOptions secret;
};

struct UserListOptions {
  std::string tenant;  ///< empty: all
};

/// `ekiden user add|passwd|list|remove` and `ekiden tenant add|list`. Each gives the exit status:
/// 0 done, 1 refused, 2 wrong usage, 3 the store failed. Answers go to `out`, reasons to `err`.
int user_add(const UserAddOptions& options, UserContext& context);
int user_passwd(const UserPasswdOptions& options, UserContext& context);
int user_list(const UserListOptions& options, UserContext& context);
int user_remove(const std::string& name, UserContext& context);
int tenant_add(const std::string& name, UserContext& context);
int tenant_list(UserContext& context);

}  // namespace ekiden::cli
