// What waits for a batch: taken in, counted, held back a moment for company, refused, answered.
#include "ekiden/base/assert.hpp"
#include "ekiden/spool/committer.hpp"

namespace ekiden::spool {

void Committer::take_inbox() {
  for (Submission* s = inbox_.take(); s != nullptr;) enqueue(std::exchange(s, s->next));
}

void Committer::enqueue(Submission* one) {
  std::unique_ptr<Submission> submission(one);
  submission->next = nullptr;
  if (is_closing_ && submission->port) {
    complete(std::move(submission), Errc::Closed);
    return;
  }
  count_waiting(*submission, +1);
  (submission->is_new_mail() ? mail_ : changes_).push_back(std::move(submission));
}

void Committer::count_waiting(const Submission& one, int sign) {
  if (!one.transaction.may_wait) urgent_ += sign;
  if (one.is_new_mail()) {
    new_mail_ += sign;
  } else {
    updates_octets_ += sign > 0 ? one.octets : -one.octets;
  }
}

bool Committer::has_urgent_work() const {
  const bool is_full = is_healthy_ && updates_octets_ >= kChangesOctetsMax;
  return urgent_ > 0 || is_full || step_ != nullptr || is_closing_;
}

bool Committer::should_gather() {
  const std::int64_t expected = state_.expected->load(std::memory_order_relaxed);
  const bool has_more_to_do = !is_healthy_ || is_closing_ || step_ != nullptr;
  if (is_gathering_.load()) return expected > 0 && !has_more_to_do;
  if (has_more_to_do || !gathering_.is_worth(new_mail_, expected)) return false;
  gathered_before_ = new_mail_;
  is_gathering_.store(true);
  gather_timer_ = clock_.call_after(Gathering::kWait, [this] {
    gather_timer_ = base::TimerId::None;
    run_batch();
  });
  return true;
}

void Committer::stop_gathering() {
  if (!is_gathering_.exchange(false)) return;
  if (gather_timer_ != base::TimerId::None) clock_.cancel(gather_timer_);
  gather_timer_ = base::TimerId::None;
  take_inbox();  // also what was pushed without a word
  gathering_.learn(gathered_before_, new_mail_);
}

void Committer::complete_chosen() {
  for (std::unique_ptr<Submission>& one : chosen_) {
    state_.transactions.fetch_add(1, std::memory_order_relaxed);
    complete(std::move(one), {});
  }
  chosen_.clear();
  if (has_step_) housekeeping_->step_copied(std::move(step_));
  has_step_ = false;
}

/// What was chosen was not written: new mail is refused, the rest is tried again, first.
void Committer::take_back_chosen() {
  std::vector<std::unique_ptr<Submission>> again;
  for (std::unique_ptr<Submission>& one : chosen_) {
    if (one->is_new_mail()) {
      complete(std::move(one), last_error_);
    } else {
      again.push_back(std::move(one));
    }
  }
  chosen_.clear();
  for (auto i = again.rbegin(); i != again.rend(); ++i) {
    count_waiting(**i, +1);
    changes_.push_front(std::move(*i));
  }
}

void Committer::refuse_waiting_mail(Error why) {
  for (std::unique_ptr<Submission>& one : std::exchange(mail_, {})) {
    count_waiting(*one, -1);
    complete(std::move(one), why);
  }
}

void Committer::refuse_excess_updates() {
  while (!changes_.empty() &&
         (updates_octets_ > state_.options.updates_waiting_max || is_closing_)) {
    std::unique_ptr<Submission> one = std::move(changes_.back());
    changes_.pop_back();
    count_waiting(*one, -1);
    complete(std::move(one), last_error_);
  }
}

void Committer::complete(std::unique_ptr<Submission> submission, Result<void> result) {
  if (!result)
    for (const NewMessage& message : submission->transaction.messages)
      if (!message.body.is_in_memory()) housekeeping_->file_unused(message.body.file);
  if (!submission->port) {
    if (submission->done) own_completed_.emplace_back(std::move(submission->done), result);
    return;
  }
  for (Completed& completed : completed_) {
    if (completed.port != submission->port) continue;
    completed.calls.emplace_back(std::move(submission->done), result);
    return;
  }
  Completed& completed = completed_.emplace_back();
  completed.port = std::move(submission->port);
  completed.calls.emplace_back(std::move(submission->done), result);
}

void Committer::deliver() {
  std::vector<Completed> all = std::move(completed_);
  completed_.clear();
  for (Completed& completed : all) {
    base::Executor& home = completed.port->home;
    home.post([completed = std::move(completed)]() mutable {
      for (auto& [done, result] : completed.calls)
        if (done && completed.port->is_attached) done(std::move(result));
    });
  }
  auto own = std::move(own_completed_);
  own_completed_.clear();
  for (auto& [done, result] : own) done(std::move(result));
  if (std::exchange(wakes_events_, false) && state_.wake_events) state_.wake_events();
}

}  // namespace ekiden::spool
