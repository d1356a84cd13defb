#include "ekiden/account/password_pool.hpp"

#include <utility>

#include "ekiden/account/password.hpp"

namespace ekiden::account {

bool PasswordPool::verify(std::string encoded, Secret password, base::Executor& reply_to,
                          base::Function<void(bool)> done) {
  const std::lock_guard lock(mutex_);
  if (waiting_.size() >= options_.queue_max) return false;
  waiting_.push_back({std::move(encoded), std::move(password), &reply_to, std::move(done)});
  if (running_ < options_.parallel) {
    ++running_;
    blocking_.post([this] { run_one(); });
  }
  return true;
}

void PasswordPool::abandon() {
  std::deque<Job> dropped;
  const std::lock_guard lock(mutex_);
  dropped.swap(waiting_);
}

void PasswordPool::run_one() {
  Job job;
  {
    const std::lock_guard lock(mutex_);
    if (waiting_.empty()) {
      // The others were faster.
      --running_;
      return;
    }
    job = std::move(waiting_.front());
    waiting_.pop_front();
  }
  const bool is_right = verify_password(job.encoded, job.password.view());
  job.reply_to->post([done = std::move(job.done), is_right]() mutable { done(is_right); });

  // One at a time, so that reads of the spool get their turn on the blocking pool in between.
  blocking_.post([this] { run_one(); });
}

}  // namespace ekiden::account
