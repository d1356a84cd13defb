#include "ekiden/cli/sink_session.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

#include "ekiden/base/log.hpp"

namespace ekiden::cli {
namespace {

constexpr base::Duration kIdleMax = std::chrono::minutes(10);
constexpr base::Duration kHandshakeMax = std::chrono::seconds(30);
constexpr std::size_t kReadOctets = 64 * 1024;

base::Task<void> pause(base::Worker& worker, base::Duration delay) {
  auto begin = [&worker, delay](base::Completion<int> done) {
    auto fire = [done = std::move(done)]() mutable { done(0); };
    worker.clock.call_after(delay, std::move(fire));
  };
  co_await base::suspend<int>(std::move(begin));
}

/// What rules decided for one step.
struct Judgement {
  std::optional<smtp::Reply> reply;
  bool drops = false;
};

class Session {
 public:
  Session(SinkWorker& home, std::unique_ptr<net::Stream> stream)
      : home_(home),
        shared_(home.shared),
        stream_(std::move(stream)),
        buffer_(std::make_unique<char[]>(kReadOctets)),
        dialogue_(home.shared.smtp) {}

  base::Task<void> run() {
    ++shared_.connections;
    auto stop = [this] { end(); };
    const base::TaskGroup::StopToken token = home_.group.on_stop(std::move(stop));
    if (shared_.tls == SinkTls::Implicit) {
      const bool is_up = co_await begin_tls();
      if (!is_up) co_return;
    }
    offer_mechanisms();
    smtp::Event event = smtp::Connected{};
    co_await wait_at(SinkStage::Connect);
    Judgement judgement = judge(SinkStage::Connect, "");
    if (judgement.drops) co_return;
    if (judgement.reply) event = smtp::TurnedAway{std::move(*judgement.reply)};
    while (!is_over_) {
      smtp::Action action = dialogue_.resume(std::move(event));
      event = smtp::Continue{};
      co_await perform(action, event);
    }
    if (stream_) {
      stream_->shutdown_write();
      stream_->close();
    }
  }

 private:
  base::Steady within(base::Duration limit) const { return home_.worker.clock.steady() + limit; }

  void end() {
    is_over_ = true;
    if (stream_) stream_->close();
  }

  void offer_mechanisms() {
    if (shared_.user.empty()) return;
    std::vector<std::string> mechanisms{"PLAIN", "LOGIN"};
    dialogue_.set_mechanisms(std::move(mechanisms));
  }

  base::Task<bool> begin_tls() {
    std::string why;
    const base::Steady deadline = within(kHandshakeMax);
    std::unique_ptr<net::Stream> inner = std::move(stream_);
    Result<std::unique_ptr<net::Stream>> secured =
        co_await tls::accept(*shared_.context, std::move(inner), deadline, &why);
    if (!secured) {
      base::log::info("sink.handshake_failed", {{"why", why}});
      is_over_ = true;
      co_return false;
    }
    stream_ = std::move(*secured);
    if (home_.group.is_closed()) end();
    dialogue_.set_tls();
    co_return true;
  }

  base::Task<void> wait_at(SinkStage stage) {
    for (const SinkLatency& latency : shared_.latencies) {
      if (latency.stage == stage) co_await pause(home_.worker, latency.delay);
    }
  }

  base::Task<void> flush() {
    const std::string output = dialogue_.take_output();
    if (output.empty() || is_over_) co_return;
    const base::Steady deadline = within(kIdleMax);
    const Result<void> written =
        co_await net::write_all(*stream_, std::string_view(output), deadline);
    if (!written) is_over_ = true;
  }

  base::Task<void> perform(smtp::Action& action, smtp::Event& event) {
    if (std::holds_alternative<smtp::NeedInput>(action)) {
      co_await flush();
      if (!is_over_) co_await read(event);
    } else if (std::holds_alternative<smtp::Flush>(action)) {
      co_await flush();
    } else if (std::holds_alternative<smtp::StartTls>(action)) {
      co_await flush();
      if (is_over_) co_return;
      const bool is_up = co_await begin_tls();
      if (is_up) event = smtp::TlsStarted{};
    } else if (auto* begin = std::get_if<smtp::BeginAuth>(&action)) {
      event = begin_auth(*begin);
    } else if (auto* step = std::get_if<smtp::StepAuth>(&action)) {
      smtp::SaslStep next = step_auth(std::move(step->response));
      event = smtp::SaslAnswer{std::move(next)};
    } else if (auto* mail = std::get_if<smtp::AdmitMail>(&action)) {
      transaction_ = SinkTransaction{};
      transaction_.mail = std::move(mail->mail);
      body_.clear();
      const auto& from = transaction_.mail.reverse_path;
      const std::string sender = from ? from->text() : std::string();
      smtp::Reply usual{250, {2, 1, 0}, {"Ok"}};
      co_await answer(SinkStage::Mail, sender, std::move(usual), event);
    } else if (auto* rcpt = std::get_if<smtp::AdmitRcpt>(&action)) {
      const std::string address = rcpt->rcpt.recipient.text();
      smtp::Reply usual{250, {2, 1, 5}, {"Ok"}};
      co_await answer(SinkStage::Rcpt, address, std::move(usual), event);
      if (was_accepted_) transaction_.recipients.push_back(std::move(rcpt->rcpt));
    } else if (std::holds_alternative<smtp::AdmitData>(action)) {
      smtp::Reply usual{354, {}, {"End data with <CR><LF>.<CR><LF>"}};
      co_await answer(SinkStage::Data, "", std::move(usual), event);
    } else if (std::holds_alternative<smtp::BodyPart>(action)) {
      take_body();
    } else if (std::holds_alternative<smtp::BodyComplete>(action)) {
      take_body();
      co_await store(event);
    } else if (std::holds_alternative<smtp::Close>(action)) {
      co_await flush();
      is_over_ = true;
    }
  }

  base::Task<void> read(smtp::Event& event) {
    const base::Steady deadline = within(kIdleMax);
    const std::span<char> into(buffer_.get(), kReadOctets);
    const Result<std::size_t> n = co_await net::read_some(*stream_, into, deadline);
    if (n) {
      event = smtp::Input{std::string_view(buffer_.get(), *n)};
    } else if (n.error() == net::Errc::TimedOut) {
      event = smtp::TimedOut{};
    } else {
      is_over_ = true;
    }
  }

  smtp::Event begin_auth(smtp::BeginAuth& begin) {
    is_login_ = begin.mechanism == "LOGIN";
    if (begin.mechanism != "PLAIN" && !is_login_) return smtp::SaslUnknown{};
    user_.clear();
    if (begin.initial_response) return smtp::SaslAnswer{step_auth(*begin.initial_response)};
    smtp::SaslStep challenge;
    challenge.kind = smtp::SaslStep::Kind::Challenge;
    challenge.data = is_login_ ? "Username:" : "";
    return smtp::SaslAnswer{std::move(challenge)};
  }

  smtp::SaslStep step_auth(std::string response) {
    smtp::SaslStep step;
    std::string password;
    if (is_login_ && user_.empty()) {
      user_ = std::move(response);
      step.kind = smtp::SaslStep::Kind::Challenge;
      step.data = "Password:";
      return step;
    }
    if (is_login_) {
      password = std::move(response);
    } else {
      // RFC 4616 §2: authorization identity, NUL, user, NUL, password.
      const std::size_t first = response.find('\0');
      const std::size_t second = response.find('\0', first + 1);
      if (first == std::string::npos || second == std::string::npos) return step;
      user_ = response.substr(first + 1, second - first - 1);
      password = response.substr(second + 1);
    }
    if (user_ == shared_.user && password == shared_.password) {
      step.kind = smtp::SaslStep::Kind::Success;
      step.identity = user_;
    }
    return step;
  }

  Judgement judge(SinkStage stage, std::string_view address) {
    for (const SinkRule& rule : shared_.rules) {
      if (rule.stage != stage || !fits(rule, address)) continue;
      Judgement judgement;
      judgement.drops = rule.drops;
      if (rule.drops) {
        ++shared_.dropped;
        end();
      } else {
        judgement.reply = rule.reply;
        ++(rule.reply.code >= 500 ? shared_.rejected : shared_.deferred);
      }
      return judgement;
    }
    return {};
  }

  /// From DATA on a rule looks at all recipients, and its percentage counts once.
  bool fits(const SinkRule& rule, std::string_view address) {
    if (rule.stage < SinkStage::Data) return rule.fits(address, home_.worker.random);
    const bool fits_one =
        rule.pattern == "*" ||
        std::any_of(transaction_.recipients.begin(), transaction_.recipients.end(),
                    [&](const smtp::RcptCommand& rcpt) {
                      return fits_pattern(rcpt.recipient.text(), rule.pattern);
                    });
    return fits_one && (rule.share >= 1 || home_.worker.random.unit() < rule.share);
  }

  base::Task<void> answer(SinkStage stage, std::string_view address, smtp::Reply usual,
                          smtp::Event& event) {
    was_accepted_ = false;
    co_await wait_at(stage);
    Judgement judgement = judge(stage, address);
    if (judgement.drops) co_return;
    was_accepted_ = !judgement.reply;
    smtp::Verdict verdict;
    verdict.reply = judgement.reply ? std::move(*judgement.reply) : std::move(usual);
    event = std::move(verdict);
  }

  void take_body() {
    if (body_.empty()) {
      body_ = dialogue_.take_body();
    } else {
      body_ += dialogue_.take_body();
    }
  }

  base::Task<void> store(smtp::Event& event) {
    smtp::Reply usual{250, {2, 0, 0}, {"Ok"}};
    co_await answer(SinkStage::Eod, "", std::move(usual), event);
    if (is_over_) co_return;
    smtp::Reply reply = std::move(std::get<smtp::Verdict>(event).reply);
    if (was_accepted_ && !keep()) reply = {452, {4, 3, 1}, {"Cannot write the message"}};
    if (was_accepted_) {
      co_await wait_at(SinkStage::Stored);
      Judgement judgement = judge(SinkStage::Stored, "");
      if (judgement.drops) co_return;
      if (judgement.reply) reply = std::move(*judgement.reply);
    }
    body_.clear();
    event = smtp::Stored{std::move(reply)};
  }

  /// False: it could not be written.
  bool keep() {
    if (shared_.store) {
      transaction_.helo = dialogue_.helo();
      transaction_.auth = dialogue_.identity();
      transaction_.client = stream_->remote();
      transaction_.tls = stream_->tls();
      transaction_.received = home_.worker.clock.now();
      char name[64];
      std::snprintf(name, sizeof name, "%lld.%u_%llu.sink",
                    static_cast<long long>(base::to_unix_us(transaction_.received)),
                    home_.worker.index, static_cast<unsigned long long>(++shared_.files));
      const std::string envelope = format_envelope(transaction_, body_.size());
      if (const Result<void> put = shared_.store->put(name, body_, envelope); !put) {
        base::log::error("sink.write_failed", {{"why", put.error().message()}});
        return false;
      }
    }
    ++shared_.messages;
    shared_.recipients += transaction_.recipients.size();
    shared_.octets += body_.size();
    return true;
  }

  SinkWorker& home_;
  SinkShared& shared_;
  std::unique_ptr<net::Stream> stream_;  ///< null while a handshake runs
  std::unique_ptr<char[]> buffer_;
  smtp::ServerDialogue dialogue_;
  SinkTransaction transaction_;
  std::string body_;
  std::string user_;
  bool is_login_ = false;
  bool was_accepted_ = false;
  bool is_over_ = false;
};

}  // namespace

base::Task<void> serve_sink_session(SinkWorker& home, std::unique_ptr<net::Stream> stream) {
  Session session(home, std::move(stream));
  co_await session.run();
}

}  // namespace ekiden::cli
