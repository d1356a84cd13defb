#include "ekiden/delivery/connection_feed.hpp"

#include <algorithm>

namespace ekiden::delivery {
namespace {

/// What was granted ahead waits no longer than this behind a transaction that goes on: its peer may
/// take ten minutes for a reply, and another connection none.
constexpr base::Duration kUnusedMax = std::chrono::seconds(1);

}  // namespace

ConnectionFeed::ConnectionFeed(Dispatcher& here, unsigned owner, std::uint64_t link,
                               std::uint32_t lane_batch, bool is_paced)
    : here_(here), owner_(owner), link_(link), batch_(lane_batch), is_paced_(is_paced) {
  here_.feeds_[{owner_, link_}] = this;
}

ConnectionFeed::~ConnectionFeed() {
  here_.feeds_.erase({owner_, link_});
  for (const base::TimerId timer : {timer_, unused_timer_})
    if (timer != base::TimerId::None) here_.parts_.worker.clock.cancel(timer);
}

void ConnectionFeed::ask(std::uint32_t wants) {
  if (is_asking_) return;
  is_asking_ = true;
  const unsigned here = here_.parts_.worker.index;
  if (owner_ == here) {
    here_.ask(link_, wants);
    return;
  }
  Dispatcher& owner = here_.parts_.neighbours.at(owner_);
  here_.parts_.neighbours.send(owner_, [&owner, link = link_, wants] { owner.ask(link, wants); });
}

base::Task<std::optional<Job>> ConnectionFeed::next(base::Steady deadline) {
  // Where the owner is another worker the next batch is asked for while the last job runs.
  const bool is_remote = owner_ != here_.parts_.worker.index;
  // Under a limit nothing begins later than it is handed out: nothing rides behind a message.
  if (is_paced_ && jobs_.empty() && deadline <= here_.parts_.worker.clock.steady())
    co_return std::nullopt;
  const bool is_low = jobs_.empty() || (is_remote && jobs_.size() <= batch_ / 2);
  if (is_low && !is_dismissed_) ask(is_remote ? batch_ : 1);
  if (jobs_.empty()) {
    // A deadline already passed asks without waiting.
    if (here_.is_stopping_ || is_dismissed_ || deadline <= here_.parts_.worker.clock.steady()) {
      co_return std::nullopt;
    }
    auto begin = [this, deadline](base::Completion<bool> done) {
      waiting_ = std::move(done);
      timer_ = here_.parts_.worker.clock.call_at(deadline, [this] {
        timer_ = base::TimerId::None;
        resume(false);
      });
    };
    const bool has_job = co_await base::suspend<bool>(std::move(begin));
    if (!has_job || jobs_.empty()) {
      stop_asking();
      co_return std::nullopt;
    }
  }
  Job job = std::move(jobs_.front());
  jobs_.pop_front();
  outstanding_.emplace_back(job.id, job.meta);
  ++taken_;
  co_return job;
}

/// It has waited long enough and ends now. A turn that its owner handed to it meanwhile would be
/// lost: counted against a limit, and nothing sent.
void ConnectionFeed::stop_asking() {
  is_asking_ = false;
  Dispatcher& owner = here_.parts_.neighbours.at(owner_);
  const auto forget = [&owner, link = link_] {
    const auto place = owner.links_.find(link);
    if (place == owner.links_.end() || !place->second.is_idle) return;
    place->second.is_idle = false;
    place->second.wants = 0;
    std::erase(owner.lanes_[place->second.lane].idle, link);
  };
  if (owner_ == here_.parts_.worker.index) {
    forget();
  } else {
    here_.parts_.neighbours.send(owner_, forget);
  }
}

void ConnectionFeed::resume(bool has_job) {
  if (timer_ != base::TimerId::None)
    here_.parts_.worker.clock.cancel(std::exchange(timer_, base::TimerId::None));
  if (waiting_) std::exchange(waiting_, {})(has_job);
}

void ConnectionFeed::granted(std::vector<Job> jobs) {
  is_asking_ = false;
  for (Job& job : jobs) jobs_.push_back(std::move(job));
  // Never resumed inside the grant: the owner may be in the middle of its books.
  if (waiting_) {
    if (timer_ != base::TimerId::None)
      here_.parts_.worker.clock.cancel(std::exchange(timer_, base::TimerId::None));
    here_.parts_.worker.executor.post(
        [done = std::exchange(waiting_, {})]() mutable { done(true); });
  } else if (!jobs_.empty() && unused_timer_ == base::TimerId::None) {
    watch_unused();
  }
}

void ConnectionFeed::watch_unused() {
  base::Clock& clock = here_.parts_.worker.clock;
  unused_timer_ = clock.call_after(kUnusedMax, [this, seen = taken_] {
    unused_timer_ = base::TimerId::None;
    if (jobs_.empty()) return;
    if (taken_ == seen) {
      return_unused();
    } else {
      watch_unused();
    }
  });
}

void ConnectionFeed::finish(JobResult result) {
  const auto place = std::find_if(outstanding_.begin(), outstanding_.end(),
                                  [&](const auto& o) { return o.first == result.id; });
  EKIDEN_ASSERT(place != outstanding_.end(), "each job taken is finished exactly once");
  std::shared_ptr<const message::Meta> meta = std::move(place->second);
  outstanding_.erase(place);
  Dispatcher& owner = here_.parts_.neighbours.at(owner_);
  const unsigned here = here_.parts_.worker.index;
  if (owner_ == here) {
    owner.settled(std::move(result), std::move(meta), link_);
    return;
  }
  // One allocation: a result is larger than what a post carries inline.
  auto both = std::make_unique<std::pair<JobResult, std::shared_ptr<const message::Meta>>>(
      std::move(result), std::move(meta));
  here_.parts_.neighbours.send(owner_, [&owner, link = link_, both = std::move(both)] {
    owner.settled(std::move(both->first), std::move(both->second), link);
  });
}

void ConnectionFeed::return_unused() {
  for (Job& job : std::exchange(jobs_, {})) {
    JobResult result;
    result.id = job.id;
    for (const std::uint32_t index : job.recipients) result.recipients.push_back({index});
    outstanding_.emplace_back(job.id, std::move(job.meta));
    finish(std::move(result));
  }
}

}  // namespace ekiden::delivery
