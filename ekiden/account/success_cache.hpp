#pragma once

#include <array>
#include <cstddef>
#include <list>
#include <mutex>
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
/// Sharing: any thread. It is in shards, each with a lock held for one look-up, at AUTH only: every
/// worker knows what one has learnt, or an owner under attack would wait on each of them.
class SuccessCache {
 public:
  explicit SuccessCache(base::Random& random, std::size_t entries_max = 4096)
      : key_(random), shard_entries_max_(entries_max / kShards) {}

  /// What `find` and `insert` take, for this password of this version of the credential.
  std::string tag(const Credential& credential, std::string_view password) const;
  bool find(const std::string& tag);
  void insert(std::string tag);

 private:
  HashKey key_;
  struct Shard {
    std::mutex mutex;
    std::list<std::string> newest_first;
    std::unordered_map<std::string_view, std::list<std::string>::iterator> index;
  };
  static constexpr std::size_t kShards = 16;
  Shard& shard_of(const std::string& tag);

  std::size_t shard_entries_max_;
  std::array<Shard, kShards> shards_;
};

}  // namespace ekiden::account
