#include "ekiden/auth/dns_budget.hpp"

#include <memory>

#include "ekiden/dns/name.hpp"

namespace ekiden::auth {

base::Task<dns::Answer> DnsBudget::ask(std::string name, dns::Type type) {
  dns::Answer answer;
  answer.canonical_name = dns::canonical_name(name);
  if (!dns::may_be_asked(name)) {
    answer.status = dns::Status::NoDomain;
    answer.reason = "not a domain name";
    co_return answer;
  }
  if (asked_ >= questions_max_) {
    answer.reason = "too many DNS questions";
    co_return answer;
  }
  ++asked_;
  if (clock_.steady() >= deadline_) {
    answer.reason = "no time left for DNS questions";
    co_return answer;
  }
  // Whichever is first, the answer or the deadline, takes `done`; the other finds it gone.
  struct Waiting {
    base::Completion<dns::Answer> done;
    base::TimerId timer = base::TimerId::None;
  };
  auto begin = [&](base::Completion<dns::Answer> done) {
    auto waiting = std::make_shared<Waiting>();
    waiting->done = std::move(done);
    auto late = [waiting, answer]() mutable {
      if (!waiting->done) return;
      auto finish = std::move(waiting->done);
      waiting->done = nullptr;
      answer.reason = "no answer in time";
      finish(std::move(answer));
    };
    waiting->timer = clock_.call_at(deadline_, std::move(late));
    auto answered = [waiting, &clock = clock_](dns::Answer given) {
      if (!waiting->done) return;
      auto finish = std::move(waiting->done);
      waiting->done = nullptr;
      clock.cancel(waiting->timer);
      finish(std::move(given));
    };
    resolver_.resolve(std::move(name), type, std::move(answered));
  };
  co_return co_await base::suspend<dns::Answer>(std::move(begin));
}

}  // namespace ekiden::auth
