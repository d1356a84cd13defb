#pragma once

#include <string_view>
#include <vector>

#include "ekiden/base/checksum.hpp"
#include "ekiden/base/executor.hpp"
#include "ekiden/delivery/connection_limit.hpp"

namespace ekiden::delivery {

class Dispatcher;

/// The dispatchers of all workers, and what they share. Built whole before any worker runs;
/// read-only afterwards, but for the connection limit, which minds itself.
///
/// What they send each other waits in the receiver's executor, which is woken once however much
/// comes. Its length is bounded by what it speaks of: a message and a connection have at most one
/// item under way.
class Neighbours {
 public:
  explicit Neighbours(std::vector<base::Executor*> workers)
      : workers_(std::move(workers)),
        dispatchers_(workers_.size(), nullptr),
        connections_(count()) {}

  void join(unsigned worker, Dispatcher& dispatcher) { dispatchers_[worker] = &dispatcher; }
  unsigned count() const { return static_cast<unsigned>(dispatchers_.size()); }
  ConnectionLimit& connections() { return connections_; }
  Dispatcher& at(unsigned worker) const { return *dispatchers_[worker]; }
  void send(unsigned to, base::Work work) const { workers_[to]->post(std::move(work)); }

  /// The worker that owns a site, or a domain whose site is not known yet.
  unsigned owner_of(std::string_view key) const {
    return static_cast<unsigned>(base::hash64(key) % dispatchers_.size());
  }

 private:
  std::vector<base::Executor*> workers_;
  std::vector<Dispatcher*> dispatchers_;
  ConnectionLimit connections_;
};

}  // namespace ekiden::delivery
