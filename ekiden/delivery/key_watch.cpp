#include "ekiden/delivery/key_watch.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "ekiden/account/domain_key_rotation.hpp"
#include "ekiden/auth/dkim_key.hpp"
#include "ekiden/base/log.hpp"

namespace ekiden::delivery {
namespace {

/// Records looked for in one round; the others wait for the next.
constexpr std::size_t kQuestionsMax = 100;

}  // namespace

struct KeyWatch::State : std::enable_shared_from_this<State> {
  using Keys = std::shared_ptr<const std::vector<account::DomainKey>>;

  State(base::Worker& w, dns::Resolver& r, base::Executor& b, account::Store& s, MessageSigner& m,
        base::Duration i)
      : worker(w), resolver(r), blocking(b), store(s), signer(m), interval(i) {}

  base::Worker& worker;
  dns::Resolver& resolver;
  base::Executor& blocking;
  account::Store& store;
  MessageSigner& signer;
  const base::Duration interval;
  base::TimerId timer = base::TimerId::None;
  bool is_stopped = false;
  std::size_t waiting = 0;        ///< questions without an answer
  std::size_t next_question = 0;  ///< where the next round begins
  std::set<std::int64_t> seen;

  void arm() {
    timer = worker.clock.call_after(interval, [self = shared_from_this()] {
      self->timer = base::TimerId::None;
      self->look();
    });
  }

  void look() {
    const Keys keys = store.current_domain_keys();
    seen.clear();
    std::vector<const account::DomainKey*> pending;
    for (const account::DomainKey& key : *keys) {
      if (key.state == account::DomainKeyState::Pending) pending.push_back(&key);
    }
    if (pending.size() <= kQuestionsMax) next_question = 0;
    const std::size_t count = std::min(pending.size(), kQuestionsMax);
    waiting = count;
    if (count == 0) return act(keys);
    for (std::size_t i = 0; i < count; ++i) {
      const account::DomainKey* key = pending[next_question++ % pending.size()];
      auto see = [self = shared_from_this(), keys, key](dns::Answer answer) {
        if (self->is_stopped) return;
        if (auth::publishes(answer, key->record)) self->seen.insert(key->id);
        if (--self->waiting == 0) self->act(keys);
      };
      resolver.resolve(key->record_name(), dns::Type::TXT, std::move(see));
    }
  }

  /// Writes what follows from what was seen, on the pool.
  void act(const Keys& keys) {
    const base::Time now = worker.clock.now();
    std::vector<account::DomainKeyStep> steps = account::next_steps(*keys, seen, now);
    std::map<std::int64_t, base::Time> used = signer.take_signed();
    if (steps.empty() && used.empty()) return arm();
    auto work = [self = shared_from_this(), keys, now, steps = std::move(steps),
                 used = std::move(used)]() mutable {
      self->write(*keys, steps, used, now);
      base::Executor& home = self->worker.executor;
      home.post([self = std::move(self)] {
        if (!self->is_stopped) self->arm();
      });
    };
    blocking.post(std::move(work));
  }

  void write(const std::vector<account::DomainKey>& keys,
             const std::vector<account::DomainKeyStep>& steps,
             const std::map<std::int64_t, base::Time>& used, base::Time now) {
    for (const auto& [id, when] : used) (void)store.note_signed(id, when);
    const account::Author author{"the relay", now};
    for (const account::DomainKeyStep& step : steps) {
      const Result<void> done = store.set_domain_key_state(step.id, step.from, step.to, author);
      for (const account::DomainKey& key : keys) {
        if (key.id != step.id || !done) continue;
        base::log::info("signing_key", {{"domain", key.domain},
                                        {"selector", key.selector},
                                        {"state", account::domain_key_state_name(step.to)}});
      }
    }
  }
};

KeyWatch::KeyWatch(base::Worker& worker, dns::Resolver& resolver, base::Executor& blocking,
                   account::Store& store, MessageSigner& signer, base::Duration interval)
    : state_(std::make_shared<State>(worker, resolver, blocking, store, signer, interval)) {
  state_->arm();
}

KeyWatch::~KeyWatch() {
  state_->is_stopped = true;
  if (state_->timer != base::TimerId::None) state_->worker.clock.cancel(state_->timer);
}

}  // namespace ekiden::delivery
