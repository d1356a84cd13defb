#include "ekiden/webhook/alarm.hpp"

namespace ekiden::webhook {

base::Task<void> Alarm::wait(base::Steady until) {
  if (std::exchange(has_rung_, false)) co_return;
  auto begin = [this, until](base::Completion<int> done) {
    waiting_ = std::move(done);
    if (until == base::kNever) return;
    timer_ = worker_.clock.call_at(until, [this] {
      timer_ = base::TimerId::None;
      resume();
    });
  };
  (void)co_await base::suspend<int>(std::move(begin));
  has_rung_ = false;
}

void Alarm::ring() {
  has_rung_ = true;
  resume();
}

void Alarm::resume() {
  if (timer_ != base::TimerId::None) worker_.clock.cancel(timer_);
  timer_ = base::TimerId::None;
  if (!waiting_) return;
  worker_.executor.post([done = std::exchange(waiting_, {})]() mutable { done(0); });
}

void Alarm::drop() {
  if (timer_ != base::TimerId::None) worker_.clock.cancel(timer_);
  timer_ = base::TimerId::None;
  const base::Completion<int> dropped = std::exchange(waiting_, {});
}

}  // namespace ekiden::webhook
