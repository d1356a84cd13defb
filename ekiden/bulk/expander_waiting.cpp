// When a job waits: for its turn, for room in the queue, for mail of others.
#include <algorithm>
#include <utility>

#include "ekiden/bulk/expander_job.hpp"

namespace ekiden::bulk {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// So long after the last message of others jobs stay gentle.
constexpr base::Duration kOthersRecently = seconds(1);

}  // namespace

void Expander::wake(Job& job) {
  if (!job.waiting) return;
  // In a turn of its own: whoever wakes goes on first.
  parts_.worker.executor.post([done = std::exchange(job.waiting, nullptr)]() mutable { done(0); });
  if (job.timer != base::TimerId::None) parts_.worker.clock.cancel(job.timer);
  job.timer = base::TimerId::None;
}

base::Task<void> Expander::wait(Job& job, std::optional<base::Duration> longest) {
  if (is_stopping_) co_return;
  auto begin = [&](base::Completion<int> done) {
    job.waiting = std::move(done);
    if (!longest) return;
    job.timer = parts_.worker.clock.call_after(*longest, [this, id = job.id] {
      const auto found = jobs_.find(id);
      if (found == jobs_.end()) return;
      found->second->timer = base::TimerId::None;
      wake(*found->second);
    });
  };
  (void)co_await base::suspend<int>(std::move(begin));
}

void Expander::hear_tried() {
  for (const base::MessageId row : parts_.watch.take_tried()) {
    const auto of_job = untried_.find(job_of(row));
    if (of_job == untried_.end() || !of_job->second.remove(row_of(row))) continue;
    --untried_of_all_;
    const bool has_room = of_job->second.has_room();
    if (of_job->second.size() == 0) untried_.erase(of_job);
    const auto found = jobs_.find(job_of(row));
    if (has_room && found != jobs_.end() && std::exchange(found->second->is_full, false))
      wake(*found->second);
  }
  waiting_rows_.set(static_cast<std::int64_t>(untried_of_all_));
}

base::Task<void> Expander::take_slot(Job& job) {
  if (job.has_slot) co_return;
  if (running_ >= kRunningMax) {
    in_line_.push_back(job.id);
    while (running_ >= kRunningMax && !is_stopping_ && job.wish == Wish::Go)
      co_await wait(job, std::nullopt);
    std::erase(in_line_, job.id);
    if (is_stopping_ || job.wish != Wish::Go) co_return;
  }
  ++running_;
  job.has_slot = true;
}

/// What waits keeps no octets, and lets others run.
void Expander::leave_slot(Job& job) {
  job.is_open = false;
  job.body = {};
  job.compose = nullptr;
  job.slice.clear();
  job.slice.shrink_to_fit();
  if (!std::exchange(job.has_slot, false)) return;
  --running_;
  if (in_line_.empty()) return;
  const auto next = jobs_.find(in_line_.front());
  if (next != jobs_.end()) wake(*next->second);
}

void Expander::note(Job& job, std::string why) {
  if (job.why == why) return;
  job.why = why;
  parts_.note(job.id, std::move(why));
}

bool Expander::is_full(const Job& job) const {
  const auto untried = untried_.find(job.id);
  return untried != untried_.end() && untried->second.is_full();
}

/// Whether mail of others has come lately.
bool Expander::must_be_gentle() {
  const base::Steady now = parts_.worker.clock.steady();
  const std::uint64_t seen = parts_.services.instruments.time_to_250.sum_us();
  if (std::exchange(others_us_, seen) != seen) others_came_ = now;
  return others_came_ && now - *others_came_ < kOthersRecently;
}

/// How long at most, when the job must wait.
std::optional<base::Duration> Expander::must_wait(const Job& job) {
  constexpr base::Duration kUntilWoken = std::chrono::hours(1);
  const base::Time now = parts_.worker.clock.now();
  if (job.meta.details.send_at > now)
    return std::min<base::Duration>(job.meta.details.send_at - now, kUntilWoken);
  if (is_full(job)) return job.why.empty() ? kFullPatience : kUntilWoken;
  const auto untried = untried_.find(job.id);
  const bool has_many = untried != untried_.end() && untried->second.size() >= Untried::kCountedMax;
  if (untried_of_all_ >= kUntriedOfAllMax - (has_many ? kUntriedKeptFree : 0)) return seconds(1);
  const base::Duration rest = rests_until_ - parts_.worker.clock.steady();
  if (rest.count() > 0) return rest;
  const base::Duration delay = parts_.services.intake.delay();
  if (delay.count() > 0) return std::max<base::Duration>(delay, milliseconds(50));
  return std::nullopt;
}

}  // namespace ekiden::bulk
