#pragma once

#include <memory>
#include <vector>

#include "ekiden/base/checksum.hpp"
#include "ekiden/base/mailbox.hpp"

namespace ekiden::delivery {

class Dispatcher;

/// The dispatchers of all workers, and a mailbox between each pair. Built whole before any worker
/// runs; read-only afterwards.
class Neighbours {
 public:
  explicit Neighbours(std::vector<base::Executor*> workers) {
    for (std::size_t from = 0; from < workers.size(); ++from)
      for (base::Executor* to : workers) boxes_.push_back(std::make_unique<base::Mailbox>(*to));
    dispatchers_.resize(workers.size(), nullptr);
  }

  void join(unsigned worker, Dispatcher& dispatcher) { dispatchers_[worker] = &dispatcher; }
  unsigned count() const { return static_cast<unsigned>(dispatchers_.size()); }
  Dispatcher& at(unsigned worker) const { return *dispatchers_[worker]; }

  /// Called by `from` only.
  void send(unsigned from, unsigned to, base::Work work) const {
    boxes_[from * dispatchers_.size() + to]->send(std::move(work));
  }

  /// The worker that owns a site, or a domain whose site is not known yet.
  unsigned owner_of(std::string_view key) const {
    return static_cast<unsigned>(base::hash64(key) % dispatchers_.size());
  }

 private:
  std::vector<std::unique_ptr<base::Mailbox>> boxes_;
  std::vector<Dispatcher*> dispatchers_;
};

}  // namespace ekiden::delivery
