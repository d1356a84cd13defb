#include "ekiden/dns/caching_resolver.hpp"

#include "ekiden/dns/name.hpp"

// Invariants: a question is in `asked` exactly while the resolver behind has it; each waiting
// completion is called once, on the worker, after `resolve` returned.

namespace ekiden::dns {
namespace {

using Question = std::pair<std::string, Type>;

struct QuestionHash {
  std::size_t operator()(const Question& question) const {
    return std::hash<std::string>()(question.first) * 31 +
           static_cast<std::size_t>(question.second);
  }
};

void count(base::Counter* counter) {
  if (counter != nullptr) counter->add();
}

}  // namespace

struct CachingResolver::State {
  Resolver& behind;
  base::Clock& clock;
  base::Executor& home;
  Options options;
  Counters counters;
  Cache cache;
  std::unordered_map<Question, std::vector<base::Completion<Answer>>, QuestionHash> asked;
  std::size_t waiting = 0;

  void answer_later(Answer answer, base::Completion<Answer> done) {
    home.post([answer = std::move(answer), done = std::move(done)]() mutable {
      done(std::move(answer));
    });
  }

  void answered(const Question& question, Answer answer) {
    const bool failed = answer.status == Status::Failed || answer.status == Status::Bogus;
    if (failed) count(counters.failures);
    cache.insert(question.first, question.second, answer, clock.steady());
    // Taken out first: a completion may ask the same again.
    auto callers = asked.extract(question);
    waiting -= callers.mapped().size();
    for (base::Completion<Answer>& done : callers.mapped()) done(answer);
  }
};

CachingResolver::CachingResolver(Resolver& behind, base::Clock& clock, base::Executor& home,
                                 Options options, Counters counters)
    : state_(std::make_shared<State>(
          State{behind, clock, home, options, counters, Cache(options.cache), {}, 0})) {}

CachingResolver::~CachingResolver() = default;

void CachingResolver::resolve(std::string name, Type type, base::Completion<Answer> done) {
  State& state = *state_;
  count(state.counters.questions);
  name = canonical_name(name);
  if (!may_be_asked(name)) {
    Answer answer;
    answer.status = Status::NoDomain;
    answer.canonical_name = std::move(name);
    answer.reason = "not a domain name";
    return state.answer_later(std::move(answer), std::move(done));
  }
  if (std::optional<Answer> answer = state.cache.find(name, type, state.clock.steady())) {
    count(state.counters.hits);
    return state.answer_later(std::move(*answer), std::move(done));
  }
  if (state.waiting >= state.options.waiting_max) {
    Answer answer;
    answer.canonical_name = std::move(name);
    answer.reason = "too many DNS questions are waiting";
    return state.answer_later(std::move(answer), std::move(done));
  }
  Question question(std::move(name), type);
  auto [asked, is_new] = state.asked.try_emplace(question);
  asked->second.push_back(std::move(done));
  ++state.waiting;
  if (!is_new) return;
  std::string asked_name = question.first;
  auto answered = [weak = std::weak_ptr<State>(state_),
                   question = std::move(question)](Answer answer) {
    if (const std::shared_ptr<State> alive = weak.lock()) {
      alive->answered(question, std::move(answer));
    }
  };
  state.behind.resolve(std::move(asked_name), type, std::move(answered));
}

void CachingResolver::clear() {
  state_->cache.clear();
}

}  // namespace ekiden::dns
