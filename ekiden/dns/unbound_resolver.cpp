#include "ekiden/dns/unbound_resolver.hpp"

#include <algorithm>
#include <filesystem>

#include "ekiden/base/log.hpp"
#include "ekiden/dns/name.hpp"
#include "ekiden/dns/trust_anchors.hpp"
#include "ekiden/dns/unbound_context.hpp"

// Invariants: every question ends once, by its answer or by its own timer, whichever is first;
// `current` answers new questions, `candidate` is a validating context that is being probed, each
// of `retired` still has questions; while there is no `current` questions wait in `held`, and the
// probe's timer bounds that.

namespace ekiden::dns {
namespace {

constexpr Type kDnskey = static_cast<Type>(48);

bool is_set_at_root(const std::vector<std::string>& owners) {
  return std::find(owners.begin(), owners.end(), std::string()) != owners.end();
}

}  // namespace

struct UnboundResolver::State : std::enable_shared_from_this<State> {
  struct Held {
    std::string name;
    Type type;
    base::Completion<Answer> done;
  };

  base::Worker& worker;
  Options options;
  UnboundSetup with_root;     ///< validates below the root
  UnboundSetup without_root;  ///< only below the anchors given, or not at all
  std::shared_ptr<UnboundContext> current;
  std::shared_ptr<UnboundContext> candidate;
  std::vector<std::shared_ptr<UnboundContext>> retired;
  std::vector<Held> held;
  base::TimerId probe_timer = base::TimerId::None;
  std::size_t asked = 0;
  bool has_validation = false;
  bool closed = false;

  State(base::Worker& home, Options settings) : worker(home), options(std::move(settings)) {}

  Result<void> prepare();
  Result<void> start();
  Result<void> probe();
  void probed(bool is_secure, std::string_view reason);
  void use(std::shared_ptr<UnboundContext> context, bool validates);
  void ask(std::string name, Type type, base::Completion<Answer> done);
  void close();
  void forget_retired() {
    std::erase_if(retired, [](const auto& context) { return context->size() == 0; });
  }

  void answer_later(std::string name, std::string reason, base::Completion<Answer> done) {
    Answer answer;
    answer.canonical_name = std::move(name);
    answer.reason = std::move(reason);
    worker.executor.post([answer = std::move(answer), done = std::move(done)]() mutable {
      done(std::move(answer));
    });
  }
};

Result<void> UnboundResolver::State::prepare() {
  UnboundSetup setup;
  if (options.mode == Mode::Forward) {
    if (options.forward.empty()) return Errc::NoServer;
    setup.forward = options.forward;
  }
  if (options.mode == Mode::System) {
    setup.resolv_conf = options.resolv_conf;
    setup.hosts = options.hosts;
  }
  std::vector<std::string> owners;
  for (const std::string& file : options.trust_anchors) {
    const Result<std::vector<std::string>> found = owners_in_anchor_file(file);
    if (!found) return found.error();
    owners.insert(owners.end(), found->begin(), found->end());
  }
  for (const auto& [zone, server] : options.stubs) {
    if (!wire_of_name(zone)) return Errc::BadStub;
    setup.stubs.emplace_back(zone, server);
    // The public root proves that a private zone does not exist, so it must not judge it.
    const std::string name = canonical_name(zone);
    const bool is_anchored = std::any_of(owners.begin(), owners.end(), [&](const auto& owner) {
      return !owner.empty() && is_at_or_below(name, owner);
    });
    if (!is_anchored) setup.insecure_zones.push_back(zone);
  }
  setup.anchor_files = options.trust_anchors;

  without_root = setup;
  without_root.validates = options.dnssec != Dnssec::Off && !owners.empty();
  with_root = std::move(setup);
  std::error_code error;
  if (std::filesystem::exists(options.root_key_file, error)) {
    with_root.anchor_files.push_back(options.root_key_file);
  } else if (!is_set_at_root(owners)) {
    with_root.anchors = built_in_root_anchors();
  }
  return {};
}

Result<void> UnboundResolver::State::start() {
  if (options.dnssec == Dnssec::Auto) return probe();
  const bool validates = options.dnssec == Dnssec::Require;
  auto context = UnboundContext::create(worker.io, validates ? with_root : without_root);
  if (!context) return context.error();
  use(std::move(*context), validates);
  return {};
}

Result<void> UnboundResolver::State::probe() {
  Result<std::unique_ptr<UnboundContext>> context = UnboundContext::create(worker.io, with_root);
  if (!context) return context.error();
  candidate = std::move(*context);
  auto answered = [weak = weak_from_this()](Answer answer) {
    const std::shared_ptr<State> self = weak.lock();
    if (!self || self->closed) return;
    self->probed(answer.status == Status::Ok && answer.is_secure,
                 answer.reason.empty() ? "unsigned" : answer.reason);
  };
  const auto id = candidate->ask("", kDnskey, std::move(answered));
  if (!id) return id.error();
  auto late = [weak = weak_from_this()] {
    const std::shared_ptr<State> self = weak.lock();
    if (!self || self->closed) return;
    self->probe_timer = base::TimerId::None;
    self->probed(false, "no answer in time");
  };
  probe_timer = worker.clock.call_after(options.probe_limit, std::move(late));
  return {};
}

void UnboundResolver::State::probed(bool is_secure, std::string_view reason) {
  if (probe_timer != base::TimerId::None) worker.clock.cancel(probe_timer);
  probe_timer = base::TimerId::None;
  std::shared_ptr<UnboundContext> tried = std::move(candidate);
  candidate.reset();
  if (is_secure) {
    if (worker.index == 0) base::log::info("dns_validates", {{"since", "root keys verified"}});
    return use(std::move(tried), true);
  }
  if (worker.index == 0 && !current) {
    base::log::warning("dns_without_dnssec",
                       {{"reason", reason},
                        {"effect", "no DANE, names under the root are not validated"},
                        {"retry", base::format_duration(options.probe_interval)}});
  }
  auto again = [weak = weak_from_this()] {
    const std::shared_ptr<State> self = weak.lock();
    if (!self || self->closed) return;
    self->probe_timer = base::TimerId::None;
    if (!self->probe()) self->probed(false, "out of resources");
  };
  probe_timer = worker.clock.call_after(options.probe_interval, std::move(again));
  if (current) return;
  Result<std::unique_ptr<UnboundContext>> plain = UnboundContext::create(worker.io, without_root);
  // Out of resources: the validating one is there and answers, if only that it cannot.
  use(plain ? std::shared_ptr<UnboundContext>(std::move(*plain)) : std::move(tried), false);
}

void UnboundResolver::State::use(std::shared_ptr<UnboundContext> context, bool validates) {
  if (current) retired.push_back(std::move(current));
  forget_retired();
  current = std::move(context);
  has_validation = validates;
  std::vector<Held> waiting = std::move(held);
  held.clear();
  asked -= waiting.size();
  for (Held& question : waiting) {
    ask(std::move(question.name), question.type, std::move(question.done));
  }
}

void UnboundResolver::State::ask(std::string name, Type type, base::Completion<Answer> done) {
  if (asked >= options.questions_max) {
    return answer_later(std::move(name), "too many DNS questions at once", std::move(done));
  }
  if (!current) {
    ++asked;
    held.push_back({std::move(name), type, std::move(done)});
    return;
  }
  struct Question {
    std::string name;
    base::Completion<Answer> done;
    base::TimerId timer = base::TimerId::None;
    std::weak_ptr<UnboundContext> context;
  };
  auto question = std::make_shared<Question>();
  question->name = name;
  question->done = std::move(done);
  question->context = current;
  auto answered = [weak = weak_from_this(), question](Answer answer) {
    const std::shared_ptr<State> self = weak.lock();
    if (!self || self->closed) return;
    --self->asked;
    self->worker.clock.cancel(question->timer);
    if (answer.canonical_name.empty()) answer.canonical_name = question->name;
    self->forget_retired();
    question->done(std::move(answer));
  };
  const auto id = current->ask(name, type, std::move(answered));
  if (!id) {
    return answer_later(std::move(name), "libunbound takes no question", std::move(question->done));
  }
  ++asked;
  auto late = [weak = weak_from_this(), question, id = *id] {
    const std::shared_ptr<State> self = weak.lock();
    if (!self || self->closed) return;
    const std::shared_ptr<UnboundContext> context = question->context.lock();
    if (!context || !context->cancel(id)) return;
    --self->asked;
    self->forget_retired();
    Answer answer;
    answer.canonical_name = question->name;
    answer.reason = "no answer within " + base::format_duration(self->options.question_limit);
    question->done(std::move(answer));
  };
  question->timer = worker.clock.call_after(options.question_limit, std::move(late));
}

void UnboundResolver::State::close() {
  closed = true;
  if (probe_timer != base::TimerId::None) worker.clock.cancel(probe_timer);
  held.clear();
  candidate.reset();
  current.reset();
  retired.clear();
}

UnboundResolver::UnboundResolver(std::shared_ptr<State> state) : state_(std::move(state)) {}

UnboundResolver::~UnboundResolver() {
  state_->close();
}

Result<std::unique_ptr<UnboundResolver>> UnboundResolver::create(base::Worker& worker,
                                                                 Options options) {
  auto state = std::make_shared<State>(worker, std::move(options));
  if (const Result<void> prepared = state->prepare(); !prepared) return prepared.error();
  if (const Result<void> started = state->start(); !started) return started.error();
  return std::unique_ptr<UnboundResolver>(new UnboundResolver(std::move(state)));
}

void UnboundResolver::resolve(std::string name, Type type, base::Completion<Answer> done) {
  name = canonical_name(name);
  if (!may_be_asked(name)) {
    Answer answer;
    answer.status = Status::NoDomain;
    answer.canonical_name = std::move(name);
    answer.reason = "not a domain name";
    state_->worker.executor.post([answer = std::move(answer), done = std::move(done)]() mutable {
      done(std::move(answer));
    });
    return;
  }
  state_->ask(std::move(name), type, std::move(done));
}

bool UnboundResolver::validates() const {
  return state_->has_validation;
}

}  // namespace ekiden::dns
