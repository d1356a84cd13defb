#include "ekiden/delivery/recipient_probe.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "ekiden/smtp/address.hpp"

// Invariants:
// - A key is in `open_` while exactly one coroutine asks that question.
// - Each waiter is completed once: by the answer or by its timer, whichever takes `done` first.

namespace ekiden::delivery {
namespace {

/// Gives the one question, takes the one result.
class ProbeFeed final : public Feed {
 public:
  using Finished = base::Function<void(const RecipientResult& result)>;
  ProbeFeed(Job job, Finished finished) : job_(std::move(job)), finished_(std::move(finished)) {}

  base::Task<std::optional<Job>> next(base::Steady) override {
    co_return std::exchange(job_, std::nullopt);
  }
  /// Called before the connection says good-bye: nobody waits for that.
  void finish(JobResult result) override { finished_(result.recipients.front()); }

 private:
  std::optional<Job> job_;
  Finished finished_;
};

Job job_for(const std::string& recipient) {
  auto meta = std::make_shared<message::Meta>();
  message::Recipient asked;
  asked.address = recipient;
  meta->envelope.recipients.push_back(std::move(asked));
  Job job;
  job.meta = std::move(meta);
  job.recipients.push_back(0);
  job.is_probe = true;
  return job;
}

/// RFC 5321 §3.5.3 and §4.2.2, RFC 3463 §3: which refusals speak of the mailbox.
ProbeAnswer answer_of(const RecipientResult& result) {
  if (result.outcome == Outcome::Delivered) return ProbeAnswer::Taken;
  if (result.outcome != Outcome::Bounced) return ProbeAnswer::CannotTell;
  // Ours: the peer cannot take such an address at all (RFC 6531 §3.2), so nobody there has it.
  if (result.is_local) return ProbeAnswer::Unknown;
  if (result.phase != Phase::Rcpt) return ProbeAnswer::CannotTell;
  const auto& enhanced = result.reply.enhanced;
  if (!enhanced) return ProbeAnswer::Unknown;
  // X.7: a policy, usually about us. X.3: the system. X.2.2, X.2.3: full, or too long a message;
  // there is a mailbox. X.4.1 is how Exchange Online says that there is none.
  const bool is_about_else =
      enhanced.subject == 7 || enhanced.subject == 3 ||
      (enhanced.subject == 2 && (enhanced.detail == 2 || enhanced.detail == 3));
  return is_about_else ? ProbeAnswer::CannotTell : ProbeAnswer::Unknown;
}

}  // namespace

std::optional<ProbeAnswer> ProbeMemory::recall(const std::string& key, base::Steady now) const {
  const std::lock_guard lock(mutex_);
  for (const Answers* generation : {&young_, &old_}) {
    const auto found = generation->find(key);
    if (found == generation->end()) continue;
    if (found->second.until > now) return found->second.answer;
    return std::nullopt;
  }
  return std::nullopt;
}

void ProbeMemory::remember(const std::string& key, ProbeAnswer answer, base::Steady now) {
  if (answer == ProbeAnswer::CannotTell) return;
  const base::Duration holds = answer == ProbeAnswer::Taken ? kTakenHolds : kUnknownHolds;
  const std::lock_guard lock(mutex_);
  if (young_.size() >= kProbeAnswersMax / 2) old_ = std::exchange(young_, {});
  young_[key] = {answer, now + holds};
}

std::size_t ProbeMemory::size() const {
  const std::lock_guard lock(mutex_);
  return young_.size() + old_.size();
}

RecipientProbe::RecipientProbe(const ConnectionContext& like, Routing& routing, ProbeMemory& memory)
    : tasks_(like.worker),
      context_{like.worker, tasks_,          like.pool,      like.resolver, like.network,
               like.spool,  like.tls_memory, like.start_tls, like.options},
      routing_(routing),
      memory_(memory) {}

base::Task<ProbeAnswer> RecipientProbe::ask(std::string recipient, std::string next_hop,
                                            base::Steady deadline) {
  // Neither part can hold a line feed.
  const std::string key = next_hop + "\n" + recipient;
  base::Clock& clock = context_.worker.clock;
  if (const auto known = memory_.recall(key, clock.steady())) co_return *known;

  std::shared_ptr<Question> question;
  if (const auto open = open_.find(key); open != open_.end()) {
    question = open->second;
  } else {
    const auto same = open_per_next_hop_.find(next_hop);
    const bool is_too_many = open_.size() >= kProbesMax || (same != open_per_next_hop_.end() &&
                                                            same->second >= kProbesPerNextHopMax);
    if (is_too_many || tasks_.is_closed()) co_return ProbeAnswer::CannotTell;
    question = std::make_shared<Question>();
    question->recipient = std::move(recipient);
    question->next_hop = std::move(next_hop);
    open_.emplace(key, question);
    ++open_per_next_hop_[question->next_hop];
    base::Task<void> task = inquire(question, key);
    tasks_.spawn(std::move(task));
  }
  // The answer may have come inside spawn.
  if (question->is_answered) co_return question->answer;

  auto begin = [&](base::Completion<ProbeAnswer> done) {
    auto waiter = std::make_shared<Waiter>();
    waiter->done = std::move(done);
    waiter->timer = clock.call_at(deadline, [waiter] {
      if (waiter->done) std::exchange(waiter->done, {})(ProbeAnswer::CannotTell);
    });
    // Not held while we wait: it holds our completion.
    std::exchange(question, nullptr)->waiters.push_back(std::move(waiter));
  };
  co_return co_await base::suspend<ProbeAnswer>(std::move(begin));
}

base::Task<void> RecipientProbe::inquire(std::shared_ptr<Question> question, std::string key) {
  const std::shared_ptr<const Plan> plan = co_await find_plan(*question);
  if (plan != nullptr) {
    Job job = job_for(question->recipient);
    ProbeFeed::Finished finished = [&](const RecipientResult& result) {
      question->answer = answer_of(result);
      settle(*question, key);
    };
    ProbeFeed feed(std::move(job), std::move(finished));
    (void)co_await run_connection(context_, plan, feed);
  }
  // No host was ready to be asked.
  if (!question->is_answered) settle(*question, key);
}

base::Task<std::shared_ptr<const Plan>> RecipientProbe::find_plan(const Question& question) {
  const std::size_t at = question.recipient.rfind('@');
  if (at == std::string::npos) co_return nullptr;
  const auto domain = smtp::canonical_domain(std::string_view(question.recipient).substr(at + 1));
  if (!domain) co_return nullptr;
  const std::shared_ptr<const Routed> routed = routing_.route(*domain, question.next_hop);
  if (routed->kind == Routed::Kind::Direct) co_return routed->plan;
  if (routed->kind != Routed::Kind::Mx) co_return nullptr;
  std::string name(*domain);
  const MxPlanned planned = co_await routing_.plan_mx(std::move(name), routed->index);
  co_return planned.plan;
}

void RecipientProbe::settle(Question& question, const std::string& key) {
  question.is_answered = true;
  memory_.remember(key, question.answer, context_.worker.clock.steady());
  open_.erase(key);
  if (const auto same = open_per_next_hop_.find(question.next_hop); --same->second == 0) {
    open_per_next_hop_.erase(same);
  }
  const std::vector<std::shared_ptr<Waiter>> waiters = std::exchange(question.waiters, {});
  for (const std::shared_ptr<Waiter>& waiter : waiters) {
    context_.worker.clock.cancel(waiter->timer);
    if (waiter->done) std::exchange(waiter->done, {})(question.answer);
  }
}

void RecipientProbe::abandon() {
  // Moved out first: what dies with one may look at the others.
  std::vector<base::Completion<ProbeAnswer>> waiting;
  for (const auto& [key, question] : open_)
    for (const std::shared_ptr<Waiter>& waiter : question->waiters)
      waiting.push_back(std::exchange(waiter->done, {}));
  waiting.clear();
  tasks_.abandon();
}

void RecipientProbe::stop(base::Work done) {
  tasks_.close();
  tasks_.when_empty(std::move(done));
}

}  // namespace ekiden::delivery
