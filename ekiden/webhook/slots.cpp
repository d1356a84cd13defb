#include "ekiden/webhook/slots.hpp"

#include <utility>

namespace ekiden::webhook {

bool Slots::may_take(const std::string& tenant) const {
  const auto own = taken_by_.find(tenant);
  return taken_ < kAll && (own == taken_by_.end() || own->second < kOfOneTenant);
}

base::Task<void> Slots::take(std::string tenant) {
  auto begin = [&](base::Completion<int> done) {
    waiting_.push_back({tenant, std::move(done)});
    serve();
  };
  (void)co_await base::suspend<int>(std::move(begin));
}

void Slots::give(const std::string& tenant) {
  --taken_;
  if (--taken_by_[tenant] == 0) taken_by_.erase(tenant);
  serve();
}

void Slots::serve() {
  for (auto it = waiting_.begin(); it != waiting_.end() && taken_ < kAll;) {
    if (!may_take(it->tenant)) {
      ++it;
      continue;
    }
    ++taken_;
    ++taken_by_[it->tenant];
    worker_.executor.post([done = std::move(it->done)]() mutable { done(0); });
    it = waiting_.erase(it);
  }
}

void Slots::drop() {
  const std::deque<Waiting> dropped = std::exchange(waiting_, {});
}

}  // namespace ekiden::webhook
