#include "tests/simulation/providers.hpp"

#include <algorithm>
#include <deque>
#include <utility>

#include "ekiden/base/text.hpp"
#include "tests/simulation/peers.hpp"

namespace ekiden::simulation {
namespace {

using End = Answer::End;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr base::Duration kPatience = minutes(15);

/// Gmail's, Yahoo's and docomo's own words: the shipped rules have to find them.
constexpr const char* kUnusualRate =
    "421 4.7.28 Gmail has detected an unusual rate of unsolicited mail originating from your IP "
    "address. To protect our users from spam, mail sent from your IP address has been temporarily "
    "rate limited.";
constexpr const char* kUnexpectedVolume =
    "421 4.7.0 [TSS04] Messages from 10.0.0.11 temporarily deferred due to unexpected volume or "
    "user complaints - 4.16.55.1; see https://postmaster.yahooinc.com/error-codes";
constexpr const char* kTransactionFailed = "554 Transaction failed";
constexpr const char* kUnknownUser = "550 Unknown user u1@docomo.ne.jp";

class Bucket {
 public:
  explicit Bucket(double rate) : rate_(rate), depth_(std::max(10.0, rate * 5)) {}
  bool take(base::Steady now) {
    const double since = std::chrono::duration<double>(now - latest_).count();
    tokens_ = std::min(depth_, tokens_ + rate_ * since);
    latest_ = now;
    if (tokens_ < 1) return false;
    tokens_ -= 1;
    return true;
  }

 private:
  double rate_, depth_;
  double tokens_ = 0;
  base::Steady latest_{};
};

/// What Japanese carriers say of recipients.
Answer of_recipient(Step step, base::Random& random, const char* unknown, const char* filtered) {
  if (step == Step::Rcpt && random.below(200) == 0) return {unknown};
  if (step == Step::Message && random.below(100) == 0) return {filtered};
  return {};
}

}  // namespace

Behaviour patient() {
  return [](Step, base::Steady) { return Answer{}; };
}

Behaviour gmail_like(double rate) {
  struct State {
    Bucket bucket;
    base::Steady closed_until{};
    int over = 0;
  };
  auto state = std::make_shared<State>(State{Bucket(rate), {}, 0});
  return [state](Step step, base::Steady now) -> Answer {
    const Answer slower{kUnusualRate, End::Closes, true};
    if (step != Step::Mail) return {};
    if (now < state->closed_until) return slower;
    if (state->bucket.take(now)) {
      state->over = 0;
      return {};
    }
    if (++state->over >= 20) {
      state->closed_until = now + minutes(2);
      state->over = 0;
    }
    return slower;
  };
}

Behaviour docomo_like(double rate, base::Random& random) {
  auto bucket = std::make_shared<Bucket>(rate);
  return [bucket, &random](Step step, base::Steady now) -> Answer {
    if (step == Step::Mail && !bucket->take(now)) return {kTransactionFailed, End::Closes, true};
    return of_recipient(step, random, kUnknownUser, kUnknownUser);
  };
}

Behaviour au_like(double rate, base::Random& random) {
  auto bucket = std::make_shared<Bucket>(rate);
  return [bucket, &random](Step step, base::Steady now) -> Answer {
    if (step == Step::Mail && !bucket->take(now)) return {{}, End::Resets, true};
    return of_recipient(step, random, "550 <u1@ezweb.ne.jp>: User unknown", "550 : User unknown");
  };
}

Behaviour yahoo_like(std::uint32_t an_hour) {
  struct State {
    std::deque<base::Steady> taken;
    base::Steady closed_until{};
  };
  auto state = std::make_shared<State>();
  return [state, an_hour](Step step, base::Steady now) -> Answer {
    const Answer deferred{kUnexpectedVolume, End::Closes, true};
    if (now < state->closed_until)
      return step == Step::Connect || step == Step::Mail ? deferred : Answer{};
    if (step != Step::Mail) return {};
    while (!state->taken.empty() && state->taken.front() + hours(1) <= now)
      state->taken.pop_front();
    if (state->taken.size() >= an_hour) {
      state->closed_until = now + hours(2);
      return deferred;
    }
    state->taken.push_back(now);
    return {};
  };
}

Provider::Provider(SimulatedInternet& internet, base::Worker& worker, net::Endpoint where,
                   Behaviour behaviour, Secrecy* secrecy)
    : internet_(internet),
      tasks_(worker),
      network_(internet, where.address),
      behaviour_(std::move(behaviour)),
      secrecy_(secrecy) {
  auto accept = [this](std::unique_ptr<net::Stream> stream) {
    tasks_.spawn(serve(std::move(stream)));
  };
  listener_ = std::move(*network_.listen(where, {}, std::move(accept)));
}

void Provider::forget() {
  count_ = {};
  starts_.clear();
  clients_.clear();
}

Answer Provider::ask(Step step) {
  Answer answer = behaviour_(step, internet_.world().steady());
  if (answer.is_throttle) ++count_.throttled;
  const bool is_about_recipient = step == Step::Rcpt || step == Step::Message;
  if (!answer.is_throttle && !answer.reply.empty() && is_about_recipient) ++count_.refused;
  return answer;
}

base::Task<bool> Provider::say(LineStream& stream, std::string reply) {
  reply += "\r\n";
  co_return co_await stream.write(std::move(reply), internet_.world().steady() + kPatience);
}

base::Task<bool> Provider::refuse(LineStream& stream, Answer answer) {
  if (answer.end == End::Resets) {
    stream.reset();
    co_return false;
  }
  const bool is_said = co_await say(stream, std::move(answer.reply));
  co_return is_said&& answer.end == End::GoesOn;
}

base::Task<bool> Provider::start_tls(LineStream& stream) {
  std::string go = "220 2.0.0 go";
  const bool went = co_await say(stream, std::move(go));
  if (!went) co_return false;
  std::unique_ptr<net::Stream> raw = stream.release();
  Result<std::unique_ptr<net::Stream>> secured = co_await tls::accept(
      secrecy_->server(), std::move(raw), internet_.world().steady() + kPatience);
  if (!secured) co_return false;
  stream.cover(std::move(*secured));
  co_return true;
}

base::Task<void> Provider::serve(std::unique_ptr<net::Stream> raw) {
  World& world = internet_.world();
  const net::Address client = raw->remote().address;
  LineStream stream(std::move(raw));
  Answer answer = ask(Step::Connect);
  if (!answer.reply.empty() || answer.end != End::GoesOn) {
    (void)co_await refuse(stream, std::move(answer));
    co_return;
  }
  std::string reply = "220 mx.provider.test ESMTP";
  bool has_recipient = false;
  for (;;) {
    if (!reply.empty()) {
      const bool is_said = co_await say(stream, std::move(reply));
      if (!is_said) co_return;
    }
    const std::optional<std::string> line = co_await stream.line(world.steady() + kPatience);
    if (!line) co_return;
    const std::string verb = base::lowered(line->substr(0, 4));
    answer = {};
    reply = "250 2.0.0 ok";
    if (verb == "ehlo") {
      reply = "250-mx.provider.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n";
      if (secrecy_ != nullptr && !stream.is_covered()) reply += "250-STARTTLS\r\n";
      reply += "250 ENHANCEDSTATUSCODES";
    } else if (verb == "star" && secrecy_ != nullptr) {
      const bool is_secured = co_await start_tls(stream);
      if (!is_secured) co_return;
      reply.clear();
    } else if (verb == "mail") {
      has_recipient = false;
      answer = ask(Step::Mail);
      if (!answer.is_throttle) {
        starts_.push_back(world.steady());
        ++clients_[client];
      }
    } else if (verb == "rcpt") {
      answer = ask(Step::Rcpt);
      has_recipient |= answer.reply.empty() && answer.end == End::GoesOn;
    } else if (verb == "data") {
      if (!has_recipient) {
        reply = "554 5.5.1 no valid recipients";
        continue;
      }
      std::string go = "354 go";
      const bool went = co_await say(stream, std::move(go));
      if (!went) co_return;
      const std::optional<std::string> octets = co_await stream.message(kPatience, world);
      if (!octets) co_return;
      answer = ask(Step::Message);
      if (answer.reply.empty() && answer.end == End::GoesOn) ++count_.taken;
    } else if (verb == "quit") {
      std::string bye = "221 2.0.0 bye";
      (void)co_await say(stream, std::move(bye));
      co_return;
    } else if (verb != "rset" && verb != "noop") {
      reply = "500 5.5.2 what";
    }
    if (answer.reply.empty() && answer.end == End::GoesOn) continue;
    if (answer.end == End::GoesOn) {
      reply = std::move(answer.reply);
      continue;
    }
    (void)co_await refuse(stream, std::move(answer));
    co_return;
  }
}

}  // namespace ekiden::simulation
