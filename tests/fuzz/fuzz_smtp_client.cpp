// The client's dialogue against a server that says anything at any time: every transaction ends
// once and in order, nobody counts as served who was not, and only whole commands are written.
//
// The input after four octets of options is what the server says, piece by piece, "|" between two.
// A piece "!" loses the connection, "!t" lets a deadline pass; a piece that begins with "#" comes
// while a message is being written.
#include <deque>
#include <memory>
#include <vector>

#include "ekiden/smtp/client_dialogue.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using namespace ekiden::smtp;
using namespace ekiden::smtp::client_event;
using Kind = ClientAction::Kind;
using VerdictKind = ClientVerdict::Kind;

struct Plan {
  ClientOptions options;
  std::uint8_t transactions = 1;
  std::uint8_t seed = 0;
  bool rides = false;
  bool drips = false;  ///< the octets before a piece's first LF come one by one
};

struct Job {
  ClientTransaction transaction;
  bool is_finished = false;
  bool was_given = false;  ///< its body was asked for
  bool was_sent = false;   ///< and written to the end
};

std::vector<std::unique_ptr<Job>> make_jobs(const Plan& plan) {
  static constexpr std::string_view kNames[] = {"a@x.test", "b@x.test", "c@y.test",
                                                "\"d e\"@x.test", "f@x.test"};
  ekiden::base::SeededRandom random(plan.seed);
  std::vector<std::unique_ptr<Job>> jobs;
  for (unsigned i = 0; i < plan.transactions; ++i) {
    auto job = std::make_unique<Job>();
    ClientTransaction& t = job->transaction;
    t.reverse_path = random.below(4) == 0 ? "" : "sender@c.test";
    t.size = random.below(2) == 0 ? 0 : 1234;
    t.uses_bdat = random.below(4) == 0;
    if (t.uses_bdat) t.size = 7;
    t.is_probe = !t.uses_bdat && random.below(8) == 0;
    t.body = random.below(2) == 0 ? "" : "8BITMIME";
    t.smtputf8 = random.below(8) == 0;
    t.ret = random.below(4) == 0 ? "FULL" : "";
    t.envid = random.below(4) == 0 ? "id+2B" : "";
    for (std::uint64_t n = 1 + random.below(std::size(kNames)); n > 0; --n) {
      ClientRecipient recipient;
      recipient.address = kNames[n - 1];
      if (random.below(4) == 0) recipient.notify = "SUCCESS,FAILURE";
      if (random.below(4) == 0) recipient.orcpt = "rfc822;x+2By@z";
      t.recipients.push_back(recipient);
    }
    jobs.push_back(std::move(job));
  }
  return jobs;
}

bool is_command(std::string_view line) {
  for (const std::string_view verb :
       {"EHLO ", "HELO ", "MAIL FROM:<", "RCPT TO:<", "AUTH ", "BDAT "}) {
    if (line.starts_with(verb)) return true;
  }
  return line == "STARTTLS" || line == "DATA" || line == "RSET" || line == "QUIT" || line == ".";
}

class Run {
 public:
  Run(const Plan& plan, std::string_view script)
      : plan_(plan), jobs_(make_jobs(plan)), dialogue_(plan.options) {
    while (!script.empty()) {
      const std::size_t end = script.find('|');
      pieces_.push_back(script.substr(0, end));
      script.remove_prefix(end == std::string_view::npos ? script.size() : end + 1);
    }
    step(Connected{});
    // Every piece leads to a few actions at most.
    for (std::size_t left = 64 + 64 * (pieces_.size() + jobs_.size()); action_.kind != Kind::Close;
         --left) {
      FUZZ_CHECK(left > 0, "a dialogue comes to an end");
      perform();
    }
    for (const auto& job : begun_) FUZZ_CHECK(job->is_finished, "what was begun is finished");
    if (!dialogue_.failure()) {
      FUZZ_CHECK(begun_.size() == jobs_.size() || said_quit_, "without a failure all is done");
    } else {
      const ClientFailure& failure = *dialogue_.failure();
      FUZZ_CHECK(failure.reply.code != 0, "a failure says why");
      transcript += "failure " + failure.reply.text() + "\n";
    }
  }

  std::string transcript;

 private:
  void step(const ClientEvent& event) {
    action_ = dialogue_.resume(event);
    const bool is_in_auth = action_.kind == Kind::Read && last_was_auth_;
    check_written(action_.write, is_in_auth);
    transcript += action_.write;
    if (action_.kind == Kind::Read) {
      FUZZ_CHECK(action_.timeout > ekiden::base::Duration(0), "every wait has a deadline");
      FUZZ_CHECK(!action_.is_same_wait || action_.write.empty(), "who waits on says nothing");
    }
  }

  /// `is_answer`: one line of base 64 in an AUTH exchange.
  static void check_written(std::string_view written, bool is_answer) {
    FUZZ_CHECK(!ekiden::fuzz::has_bare_newline(written), "commands are lines");
    FUZZ_CHECK(written.empty() || written.ends_with("\r\n"), "commands are whole");
    while (!written.empty()) {
      const std::size_t end = written.find("\r\n");
      FUZZ_CHECK(is_answer || is_command(written.substr(0, end)), "only commands are said");
      written.remove_prefix(end + 2);
    }
  }

  std::string_view next_piece() {
    if (pieces_.empty()) return "!";
    const std::string_view piece = pieces_.front();
    pieces_.pop_front();
    return piece;
  }

  void lose(std::string_view piece) {
    Lost lost;
    lost.is_timeout = piece == "!t";
    lost.why = lost.is_timeout ? "" : "reset";
    step(lost);
  }

  void receive(std::string_view piece, bool may_drip) {
    if (plan_.drips && may_drip) {
      // Nothing can be answered before the first line is whole.
      const std::size_t end = std::min(piece.find('\n'), piece.size());
      for (std::size_t i = 0; i < end; ++i) {
        const std::string octet(1, piece[i]);
        step(Received{octet});
        if (action_.kind != Kind::Read || !action_.is_same_wait) return;
      }
      piece.remove_prefix(end);
    }
    if (piece.empty()) return;
    const std::string own(piece);
    step(Received{own});
  }

  void perform() {
    last_was_auth_ = action_.kind == Kind::Authenticate;
    switch (action_.kind) {
      case Kind::Read: {
        const std::string_view piece = next_piece();
        if (piece.starts_with('!')) return lose(piece);
        return receive(piece.starts_with('#') ? piece.substr(1) : piece, true);
      }
      case Kind::StartTls:
        FUZZ_CHECK(!dialogue_.is_encrypted(), "TLS begins once");
        FUZZ_CHECK(action_.write.empty(), "nothing is said between STARTTLS and the handshake");
        if (!pieces_.empty() && pieces_.front().starts_with('!')) return lose(next_piece());
        return step(TlsStarted{});
      case Kind::Authenticate:
        return authenticate();
      case Kind::SendBody:
        return send_body();
      case Kind::Finished:
        return take_outcome();
      case Kind::Ready:
        FUZZ_CHECK(plan_.options.tls != ClientTls::Required || dialogue_.is_encrypted(),
                   "no mail in the clear where TLS is required");
        if (begun_.size() < jobs_.size() && dialogue_.may_begin()) {
          Job& job = *jobs_[begun_.size()];
          begun_.push_back(&job);
          return step(Begin{&job.transaction});
        }
        said_quit_ = true;
        return step(Quit{});
      case Kind::Close:
        return;
    }
  }

  void authenticate() {
    FUZZ_CHECK(plan_.options.wants_auth, "AUTH only where it is wanted");
    FUZZ_CHECK(action_.mechanism == "SCRAM-SHA-256" || dialogue_.is_encrypted() ||
                   plan_.options.may_send_password_in_clear,
               "no password in the clear");
    transcript += "challenge " + action_.challenge + "\n";
    AuthResponse response;
    response.ok = ++auth_steps_ < 4 || (plan_.seed & 1) == 0;
    response.octets = response.ok ? "answer" : "no more";
    response.is_complete = auth_steps_ >= 2 || (plan_.seed & 2) == 0;
    step(response);
  }

  void send_body() {
    Job& job = *begun_[finished_];
    FUZZ_CHECK(!job.transaction.is_probe, "a probe sends no message");
    FUZZ_CHECK(!job.was_given, "a message is sent once");
    FUZZ_CHECK(dialogue_.outcome_of() == &job.transaction, "the message is the running one's");
    job.was_given = true;
    if (plan_.rides && dialogue_.may_ride() && begun_.size() < jobs_.size()) {
      Job& rider = *jobs_[begun_.size()];
      begun_.push_back(&rider);
      const std::string_view written = dialogue_.ride(rider.transaction);
      check_written(written, false);
      transcript += written;
    }
    if (!pieces_.empty() && pieces_.front().starts_with('#')) {
      // Writing failed, and this is what the server had said meanwhile.
      receive(next_piece().substr(1), false);
      if (action_.kind == Kind::Read) lose("!");
      return;
    }
    if (!pieces_.empty() && pieces_.front().starts_with('!')) return lose(next_piece());
    job.was_sent = true;
    step(BodySent{});
  }

  void take_outcome() {
    FUZZ_CHECK(finished_ < begun_.size(), "what is finished was begun");
    Job& job = *begun_[finished_++];
    FUZZ_CHECK(dialogue_.outcome_of() == &job.transaction, "transactions end in order");
    job.is_finished = true;
    const std::vector<ClientVerdict>& verdicts = dialogue_.outcome();
    FUZZ_CHECK(verdicts.size() == job.transaction.recipients.size(), "a verdict for each");
    for (const ClientVerdict& verdict : verdicts) {
      transcript += std::to_string(static_cast<int>(verdict.kind)) + " " + verdict.reply.text() +
                    (verdict.may_be_duplicate ? " duplicate\n" : "\n");
      if (verdict.kind == VerdictKind::Accepted) {
        FUZZ_CHECK(verdict.reply.code / 100 == 2, "accepted by a 2xx");
        FUZZ_CHECK(!verdict.is_local, "and by nobody but the peer");
        FUZZ_CHECK(
            verdict.phase == (job.transaction.is_probe ? ClientPhase::Rcpt : ClientPhase::Eod),
            "at the end of the message");
        FUZZ_CHECK(job.transaction.is_probe || job.was_sent, "only what was sent is accepted");
      }
      if (verdict.kind == VerdictKind::Refused) {
        FUZZ_CHECK(verdict.reply.is_transient() || verdict.reply.is_permanent(),
                   "refused by a 4xx or 5xx");
      }
      if (verdict.kind == VerdictKind::Lost) {
        FUZZ_CHECK(verdict.reply.is_transient() || verdict.reply.is_permanent(), "lost for now");
      }
      FUZZ_CHECK(!verdict.may_be_duplicate || job.was_sent, "only what was sent can be there");
    }
    step(Continue{});
  }

  const Plan& plan_;
  std::vector<std::unique_ptr<Job>> jobs_;
  std::vector<Job*> begun_;
  std::size_t finished_ = 0;
  ClientDialogue dialogue_;
  ClientAction action_;
  std::deque<std::string_view> pieces_;
  unsigned auth_steps_ = 0;
  bool last_was_auth_ = false;
  bool said_quit_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ekiden::fuzz::Input input(data, size);
  Plan plan;
  const std::uint8_t flags = input.octet();
  plan.transactions = input.octet() % 5;
  plan.seed = input.octet();
  const std::uint8_t group = input.octet();
  plan.options.ehlo_name = "relay.test";
  constexpr ClientTls kTls[] = {ClientTls::Opportunistic, ClientTls::Off, ClientTls::Required,
                                ClientTls::Established};
  plan.options.tls = kTls[flags & 3];
  plan.options.wants_auth = (flags & 4) != 0;
  plan.options.may_send_password_in_clear = (flags & 8) != 0;
  plan.rides = (flags & 16) == 0;
  plan.options.group_commands_max = group == 0 ? 100 : 1 + group % 6;
  const Run whole(plan, input.rest());
  plan.drips = true;
  const Run pieces(plan, input.rest());
  FUZZ_CHECK(whole.transcript == pieces.transcript, "a slow server is told the same");
  return 0;
}
