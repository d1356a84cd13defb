// A command line: what is accepted, written anew from what was understood, is understood the same.
#include "ekiden/base/text.hpp"
#include "ekiden/smtp/command.hpp"
#include "ekiden/smtp/xtext.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using namespace ekiden::smtp;

bool same(const std::optional<Address>& a, const std::optional<Address>& b) {
  if (!a || !b) return a.has_value() == b.has_value();
  return a->local == b->local && a->domain == b->domain;
}

void check_refusal(const Reply& reply) {
  FUZZ_CHECK(reply.is_permanent() && reply.enhanced.klass == 5, "bad syntax is refused for good");
  FUZZ_CHECK(!reply.lines.empty(), "a refusal says why");
}

std::string format(const MailCommand& mail) {
  std::string out = "FROM:<" + (mail.reverse_path ? mail.reverse_path->text() : "") + ">";
  if (mail.size != 0) out += " SIZE=" + std::to_string(mail.size);
  if (mail.body == BodyKind::EightBitMime) out += " BODY=8BITMIME";
  if (mail.body == BodyKind::BinaryMime) out += " BODY=BINARYMIME";
  if (mail.smtputf8) out += " SMTPUTF8";
  if (mail.requiretls) out += " REQUIRETLS";
  if (mail.ret == ReturnKind::Full) out += " RET=FULL";
  if (mail.ret == ReturnKind::Headers) out += " RET=HDRS";
  if (!mail.envid.empty()) out += " ENVID=" + mail.envid;
  if (!mail.auth.empty()) out += " AUTH=" + mail.auth;
  return out;
}

void check_mail(std::string_view argument, const Offered& offered) {
  const ParsedMail parsed = parse_mail(argument, offered);
  if (const auto* reply = std::get_if<Reply>(&parsed)) return check_refusal(*reply);
  const auto& mail = std::get<MailCommand>(parsed);
  FUZZ_CHECK(mail.envid.size() <= kEnvidOctetsMax && is_xtext(mail.envid), "ENVID is bounded");
  FUZZ_CHECK(offered.size || mail.size == 0, "what was not offered is not taken");
  FUZZ_CHECK(offered.smtputf8 || !mail.smtputf8, "what was not offered is not taken");
  FUZZ_CHECK(offered.requiretls || !mail.requiretls, "what was not offered is not taken");
  FUZZ_CHECK(offered.auth || mail.auth.empty(), "what was not offered is not taken");
  const ParsedMail again = parse_mail(format(mail), offered);
  FUZZ_CHECK(std::holds_alternative<MailCommand>(again), "what was accepted is accepted again");
  const auto& second = std::get<MailCommand>(again);
  FUZZ_CHECK(same(second.reverse_path, mail.reverse_path) && second.size == mail.size &&
                 second.body == mail.body && second.smtputf8 == mail.smtputf8 &&
                 second.requiretls == mail.requiretls && second.ret == mail.ret &&
                 second.envid == mail.envid && second.auth == mail.auth,
             "MAIL means the same");
}

std::string format(const RcptCommand& rcpt) {
  std::string out = "TO:<" + rcpt.recipient.text() + ">";
  if (rcpt.notify != 0) {
    std::string list;
    for (const auto& [bit, word] : {std::pair{kNotifyBitNever, ",NEVER"},
                                    {kNotifyBitSuccess, ",SUCCESS"},
                                    {kNotifyBitFailure, ",FAILURE"},
                                    {kNotifyBitDelay, ",DELAY"}}) {
      if ((rcpt.notify & bit) != 0) list += word;
    }
    out += " NOTIFY=" + list.substr(1);
  }
  if (!rcpt.orcpt.empty()) out += " ORCPT=" + rcpt.orcpt;
  return out;
}

void check_rcpt(std::string_view argument, const Offered& offered, bool smtputf8) {
  const ParsedRcpt parsed = parse_rcpt(argument, offered, smtputf8);
  if (const auto* reply = std::get_if<Reply>(&parsed)) return check_refusal(*reply);
  const auto& rcpt = std::get<RcptCommand>(parsed);
  FUZZ_CHECK(!rcpt.recipient.local.empty(), "a recipient has a local part");
  FUZZ_CHECK(rcpt.orcpt.size() <= kOrcptOctetsMax, "ORCPT is bounded");
  FUZZ_CHECK((rcpt.notify & kNotifyBitNever) == 0 || rcpt.notify == kNotifyBitNever,
             "NEVER stands alone");
  if (!smtputf8) {
    for (const char c : rcpt.recipient.text() + rcpt.orcpt) {
      FUZZ_CHECK(static_cast<signed char>(c) > 0, "no UTF-8 without SMTPUTF8");
    }
  }
  const ParsedRcpt again = parse_rcpt(format(rcpt), offered, smtputf8);
  FUZZ_CHECK(std::holds_alternative<RcptCommand>(again), "what was accepted is accepted again");
  const auto& second = std::get<RcptCommand>(again);
  FUZZ_CHECK(same(second.recipient, rcpt.recipient) && second.notify == rcpt.notify &&
                 second.orcpt == rcpt.orcpt && !second.had_source_route,
             "RCPT means the same");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ekiden::fuzz::Input input(data, size);
  const std::uint8_t flags = input.octet();
  Offered offered;
  offered.size = (flags & 1) == 0;
  offered.eight_bit_mime = (flags & 2) == 0;
  offered.smtputf8 = (flags & 4) == 0;
  offered.chunking = (flags & 8) == 0;
  offered.dsn = (flags & 16) == 0;
  offered.auth = (flags & 32) == 0;
  offered.requiretls = (flags & 64) == 0;
  const std::string line(input.rest());

  const Command command = parse_command(line);
  if (!command.argument.empty()) {
    FUZZ_CHECK(command.argument.data() >= line.data() &&
                   command.argument.data() + command.argument.size() <= line.data() + line.size(),
               "the argument lies in the line");
    FUZZ_CHECK(command.argument.front() != ' ' && command.argument.back() != ' ' &&
                   command.argument.back() != '\t',
               "the argument is trimmed");
  }
  if (command.verb != Verb::Unknown) {
    const std::string again =
        std::string(verb_name(command.verb)) + " " + std::string(command.argument);
    const Command second = parse_command(again);
    FUZZ_CHECK(second.verb == command.verb && second.argument == command.argument,
               "a command means the same in upper case");
  }
  check_mail(command.argument, offered);
  check_rcpt(command.argument, offered, false);
  check_rcpt(command.argument, offered, true);
  if (const auto bdat = parse_bdat(command.argument)) {
    const auto again = parse_bdat(std::to_string(bdat->octets) + (bdat->is_last ? " LAST" : ""));
    FUZZ_CHECK(again && again->octets == bdat->octets && again->is_last == bdat->is_last,
               "BDAT means the same");
  }
  return 0;
}
