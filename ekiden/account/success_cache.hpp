#pragma once

#include <cstddef>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>

#include "ekiden/account/secret.hpp"
#include "ekiden/account/snapshot.hpp"
#include "ekiden/base/random.hpp"

namespace ekiden::account {

/// Remembers which passwords were found right, as hashes under a key that lives and dies with the
/// process. Applications log in once for each message; argon2id runs once for each password.
///
/// A change of the credential changes its version, and with it every hash: nothing is removed,
/// old entries are never asked for again and age out.
///
/// Sharing: one worker owns one, so that no lock stands on the way of a message.
class SuccessCache {
 public:
  explicit SuccessCache(base::Random& random, std::size_t entries_max = 4096)
      : key_(random), entries_max_(entries_max) {}

  /// What `find` and `insert` take, for this password of this version of the credential.
  std::string tag(const Credential& credential, std::string_view password) const;
  bool find(const std::string& tag);
  void insert(std::string tag);

 private:
  HashKey key_;
  std::size_t entries_max_;
  std::list<std::string> newest_first_;
  std::unordered_map<std::string_view, std::list<std::string>::iterator> index_;
};

}  // namespace ekiden::account
