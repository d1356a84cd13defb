// The server's dialogue, fed with any octets and with any answers from admission and spool: it
// says the same however the octets are split, says only well-formed replies, and never lets a
// message through that has no recipients, is too big or has bare newlines.
#include <optional>
#include <vector>

#include "ekiden/smtp/server_dialogue.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using namespace ekiden::smtp;

struct Plan {
  ServerOptions options;
  std::vector<std::string> mechanisms;
  bool is_tls = false, is_trusted = false;
  bool refuses_parts = false;  ///< then the split shows
  std::uint8_t verdicts = 0;   ///< seed: what admission answers
  std::uint8_t end = 0;        ///< what happens when the octets are at an end
};

/// Performs what the dialogue wants; the n-th answer of a kind depends on the plan only.
class Session {
 public:
  explicit Session(const Plan& plan) : dialogue(plan.options), plan_(plan), random_(plan.verdicts) {
    dialogue.set_mechanisms(plan.mechanisms);
    if (plan.is_tls) dialogue.set_tls();
    if (plan.is_trusted) dialogue.set_trusted();
    perform(dialogue.resume(Connected{}));
  }

  void feed(std::string_view octets) {
    if (!is_closed) perform(dialogue.resume(Input{octets}));
  }
  void end() {
    if (is_closed || plan_.end == 0) return;
    perform(plan_.end == 1 ? dialogue.resume(TimedOut{}) : dialogue.resume(ShuttingDown{}));
    FUZZ_CHECK(is_closed, "a time-out ends it");
  }

  ServerDialogue dialogue;
  std::string said;
  std::vector<std::string> messages;
  std::string reason;
  bool is_closed = false;

 private:
  bool refuses() { return random_.below(8) == 0; }
  static Reply reply(std::uint16_t code, EnhancedCode enhanced) {
    return {code, enhanced, {"as the fuzzer wishes"}};
  }
  Verdict verdict(std::uint16_t good) {
    const bool is_bad = refuses();
    if (!is_bad) return {reply(good, good == 354 ? EnhancedCode{} : EnhancedCode{2, 0, 0})};
    const bool leaves = random_.below(8) == 0;
    return {leaves ? reply(421, {4, 3, 0}) : reply(550, {5, 1, 1}), random_.below(2) == 0};
  }
  SaslAnswer sasl() {
    switch (random_.below(4)) {
      case 0:
        return {{SaslStep::Kind::Challenge, "who?", {}}};
      case 1:
        return {{SaslStep::Kind::Success, {}, "user"}};
      case 2:
        return {{SaslStep::Kind::TemporaryFailure, {}, {}}};
      default:
        return {{SaslStep::Kind::Failure, {}, {}}};
    }
  }

  void perform(Action action) {
    while (true) {
      if (std::holds_alternative<NeedInput>(action)) {
        said += dialogue.take_output();
        return;
      }
      if (const auto* close = std::get_if<Close>(&action)) {
        said += dialogue.take_output();
        is_closed = true;
        reason = close->reason;
        return;
      }
      action = dialogue.resume(answer(action));
    }
  }

  Event answer(const Action& action) {
    if (std::holds_alternative<Flush>(action)) {
      FUZZ_CHECK(dialogue.has_output(), "a flush has something to send");
      said += dialogue.take_output();
      return Continue{};
    }
    if (std::holds_alternative<StartTls>(action)) {
      FUZZ_CHECK(!dialogue.is_tls(), "TLS begins once");
      said += dialogue.take_output();
      return TlsStarted{};
    }
    if (std::holds_alternative<BeginAuth>(action)) {
      FUZZ_CHECK(dialogue.identity().empty(), "nobody logs in twice");
      FUZZ_CHECK(dialogue.is_tls() || !plan_.options.requires_tls, "no AUTH before TLS is due");
      if (random_.below(4) == 0) return SaslUnknown{};
      return sasl();
    }
    if (std::holds_alternative<StepAuth>(action)) return sasl();
    if (const auto* mail = std::get_if<AdmitMail>(&action)) {
      FUZZ_CHECK(!dialogue.is_in_transaction(), "one transaction at a time");
      FUZZ_CHECK(!dialogue.helo().empty(), "a client greets first");
      FUZZ_CHECK(dialogue.is_tls() || !plan_.options.requires_tls, "no MAIL before TLS is due");
      FUZZ_CHECK(!plan_.options.requires_auth || !dialogue.identity().empty(),
                 "no MAIL before AUTH is due");
      FUZZ_CHECK(plan_.options.size_max == 0 || mail->mail.size <= plan_.options.size_max,
                 "no MAIL for more than there may be");
      is_binary_ = mail->mail.body == BodyKind::BinaryMime;
      return verdict(250);
    }
    if (std::holds_alternative<AdmitRcpt>(action)) {
      FUZZ_CHECK(dialogue.is_in_transaction(), "RCPT is part of a transaction");
      FUZZ_CHECK(dialogue.recipients() < plan_.options.recipients_max, "recipients are bounded");
      return verdict(250);
    }
    if (std::holds_alternative<AdmitData>(action)) {
      FUZZ_CHECK(dialogue.is_in_transaction() && dialogue.recipients() > 0, "for somebody");
      body_.clear();  // parts of a message that was refused before its end
      return verdict(354);
    }
    if (std::holds_alternative<BodyPart>(action)) {
      body_ += dialogue.take_body();
      if (plan_.refuses_parts && refuses()) {
        body_.clear();
        return Stored{reply(452, {4, 3, 1})};
      }
      return Continue{};
    }
    if (std::holds_alternative<BodyComplete>(action)) {
      body_ += dialogue.take_body();
      FUZZ_CHECK(dialogue.recipients() > 0, "a message is for somebody");
      FUZZ_CHECK(plan_.options.size_max == 0 || body_.size() <= plan_.options.size_max,
                 "a message is not too big");
      FUZZ_CHECK(plan_.refuses_parts || dialogue.message_octets() == body_.size(),
                 "every octet is counted");
      if (!is_binary_) {
        FUZZ_CHECK(!ekiden::fuzz::has_bare_newline(body_, true), "lines end with CRLF");
      }
      messages.push_back(std::exchange(body_, {}));
      return Stored{refuses() ? reply(452, {4, 3, 1}) : reply(250, {2, 0, 0})};
    }
    return Continue{};  // AbortAuth
  }

  const Plan& plan_;
  ekiden::base::SeededRandom random_;
  std::string body_;
  bool is_binary_ = false;
};

void check_output(std::string_view said) {
  FUZZ_CHECK(!ekiden::fuzz::has_bare_newline(said), "replies are lines");
  FUZZ_CHECK(said.empty() || said.ends_with("\r\n"), "replies are whole lines");
  while (!said.empty()) {
    const std::size_t end = said.find("\r\n");
    const std::string_view line = said.substr(0, end);
    said.remove_prefix(end + 2);
    FUZZ_CHECK(line.size() >= 4 && line.size() <= 510, "RFC 5321 §4.5.3.1.5");
    FUZZ_CHECK(line[0] >= '2' && line[0] <= '5' && (line[3] == ' ' || line[3] == '-'), "a code");
    for (const char c : line) {
      FUZZ_CHECK(static_cast<unsigned char>(c) >= 0x20 && c != '\x7f', "no control characters");
    }
  }
}

/// Without the last line.
std::string_view but_last_line(std::string_view said) {
  said.remove_suffix(std::min<std::size_t>(2, said.size()));
  const std::size_t end = said.rfind("\r\n");
  return end == std::string_view::npos ? std::string_view() : said.substr(0, end + 2);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ekiden::fuzz::Input input(data, size);
  Plan plan;
  const std::uint8_t flags = input.octet();
  const std::uint8_t limits = input.octet();
  plan.verdicts = input.octet();
  const std::uint8_t split = input.octet();
  plan.options.hostname = "relay.test";
  plan.options.offers_starttls = (flags & 1) == 0;
  plan.options.requires_tls = (flags & 2) != 0;
  plan.options.requires_auth = (flags & 4) != 0;
  plan.options.bare_newlines = (flags & 8) != 0 ? BareNewlines::Fix : BareNewlines::Refuse;
  if ((flags & 16) == 0) plan.mechanisms = {"PLAIN", "LOGIN"};
  plan.is_tls = (flags & 32) != 0;
  plan.is_trusted = (flags & 64) != 0;
  plan.refuses_parts = (flags & 128) != 0;
  constexpr std::uint64_t kSizes[] = {50 << 20, 0, 10, 300};
  constexpr std::uint32_t kRecipients[] = {1000, 1, 2, 5};
  constexpr std::size_t kChunks[] = {1 << 20, 1, 16, 200};
  plan.options.size_max = kSizes[limits & 3];
  plan.options.recipients_max = kRecipients[limits >> 2 & 3];
  plan.options.chunk_octets = kChunks[limits >> 4 & 3];
  plan.options.messages_max = (limits & 64) != 0 ? 2 : 0;
  plan.options.errors_max = (limits & 128) != 0 ? 3 : 20;
  plan.end = plan.verdicts % 3;

  Session whole(plan);
  ekiden::fuzz::cut(input.rest(), 0, [&](std::string_view piece) {
    whole.feed(piece);
    return !whole.is_closed;
  });
  whole.end();
  check_output(whole.said);

  Session pieces(plan);
  ekiden::fuzz::cut(input.rest(), split, [&](std::string_view piece) {
    pieces.feed(piece);
    return !pieces.is_closed;
  });
  pieces.end();
  check_output(pieces.said);
  if (plan.refuses_parts) return 0;
  if (whole.reason == "octets before 354" || whole.reason == "commands behind STARTTLS") {
    // Whoever waits for the answer is served; up to there it is the same.
    FUZZ_CHECK(pieces.said.starts_with(but_last_line(whole.said)), "the same until then");
    return 0;
  }
  FUZZ_CHECK(whole.said == pieces.said, "the same answers at every split");
  FUZZ_CHECK(whole.messages == pieces.messages, "the same messages at every split");
  FUZZ_CHECK(whole.reason == pieces.reason, "the same end at every split");
  return 0;
}
