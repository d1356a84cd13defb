#include "ekiden/delivery/connection_limit.hpp"

#include <algorithm>

namespace ekiden::delivery {

unsigned ConnectionLimit::set_max(std::uint32_t max) {
  const std::lock_guard lock(mutex_);
  max_ = max;
  return next();
}

ConnectionLimit::Answer ConnectionLimit::take(unsigned worker, bool is_starving) {
  const std::lock_guard lock(mutex_);
  const bool is_its_turn = line_.empty() || line_.front() == worker;
  if (open_ < max_ && is_its_turn) {
    ++open_;
    leave(worker);
    return {true, next()};
  }
  Worker& who = workers_[worker];
  who.is_starving = is_starving;
  if (!who.is_in_line) line_.push_back(worker);
  who.is_in_line = true;
  publish();
  return {false, next()};
}

unsigned ConnectionLimit::give_back() {
  const std::lock_guard lock(mutex_);
  --open_;
  return next();
}

unsigned ConnectionLimit::forgo(unsigned worker) {
  const std::lock_guard lock(mutex_);
  leave(worker);
  return next();
}

std::uint32_t ConnectionLimit::open() const {
  const std::lock_guard lock(mutex_);
  return open_;
}

void ConnectionLimit::leave(unsigned worker) {
  if (!workers_[worker].is_in_line) return;
  workers_[worker] = Worker{};
  line_.erase(std::find(line_.begin(), line_.end(), worker));
  publish();
}

void ConnectionLimit::publish() {
  is_short_.store(!line_.empty(), std::memory_order_relaxed);
  is_starving_.store(std::any_of(workers_.begin(), workers_.end(),
                                 [](const Worker& worker) { return worker.is_starving; }),
                     std::memory_order_relaxed);
}

}  // namespace ekiden::delivery
