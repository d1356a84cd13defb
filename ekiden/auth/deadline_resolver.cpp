#include "ekiden/auth/deadline_resolver.hpp"

#include <memory>

namespace ekiden::auth {
namespace {

/// Whichever is first, the answer or the deadline, takes `done`; the other finds it gone.
struct Waiting {
  base::Completion<dns::Answer> done;
  base::TimerId timer = base::TimerId::None;

  base::Completion<dns::Answer> take() {
    base::Completion<dns::Answer> taken = std::move(done);
    done = nullptr;
    return taken;
  }
};

dns::Answer late_answer(std::string name) {
  dns::Answer answer;
  answer.canonical_name = std::move(name);
  answer.reason = "no answer in time";
  return answer;
}

}  // namespace

void DeadlineResolver::resolve(std::string name, dns::Type type,
                               base::Completion<dns::Answer> done) {
  if (clock_.steady() >= deadline_) {
    auto late = [answer = late_answer(std::move(name)), done = std::move(done)]() mutable {
      done(std::move(answer));
    };
    clock_.call_after(base::Duration(0), std::move(late));
    return;
  }
  auto waiting = std::make_shared<Waiting>();
  waiting->done = std::move(done);
  auto late = [waiting, name]() mutable {
    if (auto finish = waiting->take()) finish(late_answer(std::move(name)));
  };
  waiting->timer = clock_.call_at(deadline_, std::move(late));
  auto answered = [waiting, &clock = clock_](dns::Answer answer) {
    auto finish = waiting->take();
    if (!finish) return;
    clock.cancel(waiting->timer);
    finish(std::move(answer));
  };
  behind_.resolve(std::move(name), type, std::move(answered));
}

}  // namespace ekiden::auth
