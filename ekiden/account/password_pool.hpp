#pragma once

#include <cstddef>
#include <deque>
#include <mutex>
#include <string>

#include "ekiden/account/secret.hpp"
#include "ekiden/account/success_cache.hpp"
#include "ekiden/base/executor.hpp"

namespace ekiden::account {

/// Checks passwords on the blocking pool: `parallel` at a time, so that argon2id takes at most
/// that many cores and that many times its memory however many clients come.
///
/// Sharing: any thread. It must outlive what it posted to `blocking`.
class PasswordPool {
 public:
  struct Options {
    std::size_t parallel = 2;
    std::size_t queue_max = 256;            ///< waiting; past it `verify` says no
    std::size_t cache_entries_max = 16384;  ///< successes remembered, about 200 octets each
  };
  PasswordPool(base::Executor& blocking, const Options& options)
      : blocking_(blocking), options_(options), successes_(random_, options.cache_entries_max) {}

  /// Calls `done` by way of `reply_to`, or gives false and drops it because the queue is full.
  [[nodiscard]] bool verify(std::string encoded, Secret password, base::Executor& reply_to,
                            base::Function<void(bool)> done);

  /// Drops who waits, while what their completions refer to still stands. The threads have ended.
  void abandon();

  /// What was found right before.
  SuccessCache& successes() { return successes_; }

 private:
  struct Job {
    std::string encoded;
    Secret password;
    base::Executor* reply_to;
    base::Function<void(bool)> done;
  };
  void run_one();

  base::Executor& blocking_;
  Options options_;
  /// For the cache's key only, on which nothing that anybody sees depends.
  base::SystemRandom random_;
  SuccessCache successes_;
  std::mutex mutex_;
  std::deque<Job> waiting_;
  std::size_t running_ = 0;
};

}  // namespace ekiden::account
