#include "ekiden/smtp/command.hpp"

#include <array>

#include "ekiden/base/text.hpp"
#include "ekiden/smtp/error.hpp"
#include "ekiden/smtp/xtext.hpp"

namespace ekiden::smtp {
namespace {

using base::equals_ignoring_case;

struct Named {
  std::string_view name;
  Verb verb;
};
constexpr std::array<Named, 14> kVerbs{{{"EHLO", Verb::Ehlo},
                                        {"HELO", Verb::Helo},
                                        {"MAIL", Verb::Mail},
                                        {"RCPT", Verb::Rcpt},
                                        {"DATA", Verb::Data},
                                        {"BDAT", Verb::Bdat},
                                        {"RSET", Verb::Rset},
                                        {"NOOP", Verb::Noop},
                                        {"QUIT", Verb::Quit},
                                        {"VRFY", Verb::Vrfy},
                                        {"EXPN", Verb::Expn},
                                        {"HELP", Verb::Help},
                                        {"STARTTLS", Verb::StartTls},
                                        {"AUTH", Verb::Auth}}};

Reply refuse(std::uint16_t code, EnhancedCode enhanced, std::string text) {
  return Reply{code, enhanced, {std::move(text)}};
}

Reply bad_parameter(std::string_view keyword) {
  return refuse(501, {5, 5, 4}, "Bad value of " + base::printable(keyword, 40));
}

Reply repeated_parameter(std::string_view keyword) {
  return refuse(501, {5, 5, 4}, "Given twice: " + base::printable(keyword, 40));
}

Reply unknown_parameter(std::string_view keyword) {
  // RFC 5321 §4.1.1.11: 555 for parameters not recognised or not implemented.
  return refuse(555, {5, 5, 4}, "Unknown parameter: " + base::printable(keyword, 40));
}

/// Takes "FROM:" or "TO:" off the front.
bool take_keyword(std::string_view& text, std::string_view keyword, Syntax syntax) {
  if (!base::starts_with_ignoring_case(text, keyword)) return false;
  text.remove_prefix(keyword.size());
  if (syntax == Syntax::Strict) return !text.starts_with(' ');
  // RFC 5321 §4.1.1.2 (lenient): spaces around the colon's far side are skipped; older clients
  // send "MAIL FROM: <a@b>".
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  return true;
}

/// RFC 5321 §4.1.2, where it is narrower than parse_path: Dot-string, sub-domain, and §4.5.3.1.1.
std::optional<Reply> refuse_loose_address(const Address& address, std::uint8_t enhanced_detail) {
  if (is_strict_local_part(address.local) && is_strict_domain(address.domain)) return std::nullopt;
  return refuse(501, {5, 1, enhanced_detail}, "RFC 5321 does not allow this address");
}

struct Parameter {
  std::string_view keyword;
  std::string_view value;
  bool has_value = false;
};

/// The next parameter of " KEY=VALUE KEY …"; nothing at the end. `is_bad` when what follows the
/// path is not even separated from it.
std::optional<Parameter> next_parameter(std::string_view& rest, Syntax syntax, bool& is_bad) {
  // RFC 5321 §4.1.1.2 (lenient): several spaces between parameters are one.
  if ((!rest.empty() && rest.front() != ' ') ||
      (syntax == Syntax::Strict && rest.starts_with("  "))) {
    is_bad = true;
    return std::nullopt;
  }
  while (!rest.empty() && rest.front() == ' ') rest.remove_prefix(1);
  if (rest.empty()) return std::nullopt;
  const std::size_t end = rest.find(' ');
  const std::string_view word = rest.substr(0, end);
  rest.remove_prefix(word.size());
  const std::size_t equals = word.find('=');
  Parameter parameter;
  parameter.keyword = word.substr(0, equals);
  if (equals != std::string_view::npos) {
    parameter.value = word.substr(equals + 1);
    parameter.has_value = true;
  }
  if (parameter.keyword.empty()) {
    is_bad = true;
    return std::nullopt;
  }
  return parameter;
}

/// Remembers which parameters came, to refuse the second.
class Once {
 public:
  bool again(unsigned index) {
    const bool was = (seen_ >> index & 1) != 0;
    seen_ |= 1u << index;
    return was;
  }

 private:
  unsigned seen_ = 0;
};

bool is_high(std::string_view text) {
  for (const char c : text) {
    if ((static_cast<unsigned char>(c) & 0x80) != 0) return true;
  }
  return false;
}

/// RFC 3461 §4.1: NEVER alone, or a list of the others.
std::optional<std::uint8_t> parse_notify(std::string_view value) {
  if (equals_ignoring_case(value, "NEVER")) return kNotifyBitNever;
  std::uint8_t bits = 0;
  while (true) {
    const std::size_t comma = value.find(',');
    const std::string_view word = value.substr(0, comma);
    std::uint8_t bit = 0;
    if (equals_ignoring_case(word, "SUCCESS")) bit = kNotifyBitSuccess;
    if (equals_ignoring_case(word, "FAILURE")) bit = kNotifyBitFailure;
    if (equals_ignoring_case(word, "DELAY")) bit = kNotifyBitDelay;
    if (bit == 0 || (bits & bit) != 0) return std::nullopt;
    bits |= bit;
    if (comma == std::string_view::npos) return bits;
    value.remove_prefix(comma + 1);
  }
}

/// RFC 3461 §4.2, RFC 6533 §3: "addr-type;address".
bool is_orcpt(std::string_view value, bool smtputf8) {
  const std::size_t semicolon = value.find(';');
  if (semicolon == 0 || semicolon == std::string_view::npos) return false;
  const std::string_view type = value.substr(0, semicolon);
  for (const char c : type) {
    if (!base::is_alpha(c) && !base::is_digit(c) && c != '-' && c != '.') return false;
  }
  const std::string_view address = value.substr(semicolon + 1);
  if (address.empty()) return false;
  if (equals_ignoring_case(type, "utf-8")) return is_utf8_address_text(address, smtputf8);
  return is_xtext(address);
}

/// Sets one parameter of MAIL; a reply when it is refused.
std::optional<Reply> set_mail_parameter(const Parameter& p, const Offered& offered, Once& once,
                                        MailCommand& mail) {
  if (offered.size && equals_ignoring_case(p.keyword, "SIZE")) {
    if (once.again(0)) return repeated_parameter(p.keyword);
    // RFC 1870 §5: up to 20 digits. What does not fit 64 bits is over any limit.
    if (p.value.empty() || p.value.size() > 20) return bad_parameter(p.keyword);
    for (const char c : p.value) {
      if (!base::is_digit(c)) return bad_parameter(p.keyword);
    }
    mail.size = base::parse_u64(p.value).value_or(UINT64_MAX);
    return std::nullopt;
  }
  if (offered.eight_bit_mime && equals_ignoring_case(p.keyword, "BODY")) {
    if (once.again(1)) return repeated_parameter(p.keyword);
    if (equals_ignoring_case(p.value, "7BIT")) {
      mail.body = BodyKind::SevenBit;
    } else if (equals_ignoring_case(p.value, "8BITMIME")) {
      mail.body = BodyKind::EightBitMime;
    } else if (offered.chunking && equals_ignoring_case(p.value, "BINARYMIME")) {
      mail.body = BodyKind::BinaryMime;
    } else {
      return bad_parameter(p.keyword);
    }
    return std::nullopt;
  }
  if (offered.smtputf8 && equals_ignoring_case(p.keyword, "SMTPUTF8")) {
    if (once.again(2)) return repeated_parameter(p.keyword);
    if (p.has_value) return bad_parameter(p.keyword);
    mail.smtputf8 = true;
    return std::nullopt;
  }
  if (offered.dsn && equals_ignoring_case(p.keyword, "RET")) {
    if (once.again(3)) return repeated_parameter(p.keyword);
    if (equals_ignoring_case(p.value, "FULL")) {
      mail.ret = ReturnKind::Full;
    } else if (equals_ignoring_case(p.value, "HDRS")) {
      mail.ret = ReturnKind::Headers;
    } else {
      return bad_parameter(p.keyword);
    }
    return std::nullopt;
  }
  if (offered.dsn && equals_ignoring_case(p.keyword, "ENVID")) {
    if (once.again(4)) return repeated_parameter(p.keyword);
    if (p.value.empty() || p.value.size() > kEnvidOctetsMax || !is_xtext(p.value)) {
      return bad_parameter(p.keyword);
    }
    mail.envid = p.value;
    return std::nullopt;
  }
  if (offered.auth && equals_ignoring_case(p.keyword, "AUTH")) {
    // RFC 4954 §5: accepted from anybody, trusted from nobody.
    if (once.again(5)) return repeated_parameter(p.keyword);
    if (p.value.empty() || p.value.size() > 500 || (p.value != "<>" && !is_xtext(p.value))) {
      return bad_parameter(p.keyword);
    }
    mail.auth = p.value;
    return std::nullopt;
  }
  if (equals_ignoring_case(p.keyword, "REQUIRETLS")) {
    if (once.again(6)) return repeated_parameter(p.keyword);
    if (p.has_value) return bad_parameter(p.keyword);
    // RFC 8689 §2: only where TLS protects the session. Named, so that the client learns what to
    // do.
    if (!offered.requiretls) return refuse(530, {5, 7, 10}, "REQUIRETLS needs TLS");
    mail.requiretls = true;
    return std::nullopt;
  }
  return unknown_parameter(p.keyword);
}

}  // namespace

Command parse_command(std::string_view line) {
  while (!line.empty() && (line.back() == ' ' || line.back() == '\t')) line.remove_suffix(1);
  const std::size_t space = line.find(' ');
  const std::string_view word = line.substr(0, space);
  Command command;
  for (const Named& named : kVerbs) {
    if (equals_ignoring_case(word, named.name)) {
      command.verb = named.verb;
      break;
    }
  }
  if (space != std::string_view::npos) {
    command.argument = line.substr(space + 1);
    while (!command.argument.empty() && command.argument.front() == ' ') {
      command.argument.remove_prefix(1);
      command.has_extra_space = true;
    }
  }
  return command;
}

std::string_view verb_name(Verb verb) {
  for (const Named& named : kVerbs) {
    if (named.verb == verb) return named.name;
  }
  return "UNKNOWN";
}

ParsedMail parse_mail(std::string_view argument, const Offered& offered, Syntax syntax) {
  if (!take_keyword(argument, "FROM:", syntax)) {
    return refuse(501, {5, 5, 4}, "Syntax: MAIL FROM:<address>");
  }
  Result<Path> path = parse_path(argument, PathKind::Reverse);
  if (!path) {
    return path.error() == Errc::BadDomain
               ? refuse(501, {5, 1, 8}, "Bad domain of the sender's address")
               : refuse(501, {5, 1, 7}, "Bad syntax of the sender's address");
  }
  if (syntax == Syntax::Strict && path->address) {
    if (auto refusal = refuse_loose_address(*path->address, 7)) return *refusal;
  }
  MailCommand mail;
  mail.reverse_path = std::move(path->address);
  std::string_view rest = argument.substr(path->octets);
  Once once;
  bool is_bad = false;
  while (const auto parameter = next_parameter(rest, syntax, is_bad)) {
    if (auto refusal = set_mail_parameter(*parameter, offered, once, mail)) return *refusal;
  }
  if (is_bad) return refuse(501, {5, 5, 4}, "Syntax: MAIL FROM:<address> [KEY=VALUE]...");
  // RFC 6531 §3.5.
  if (path->needs_smtputf8 && !mail.smtputf8) {
    return refuse(553, {5, 6, 7}, "Address needs SMTPUTF8");
  }
  return mail;
}

ParsedRcpt parse_rcpt(std::string_view argument, const Offered& offered, bool smtputf8,
                      Syntax syntax, const TakesOddLocalParts& takes_odd) {
  if (!take_keyword(argument, "TO:", syntax)) {
    return refuse(501, {5, 5, 4}, "Syntax: RCPT TO:<address>");
  }
  Result<Path> path = parse_path(argument, PathKind::Forward);
  if (!path) {
    return path.error() == Errc::BadDomain
               ? refuse(501, {5, 1, 2}, "Bad domain of the recipient's address")
               : refuse(501, {5, 1, 3}, "Bad syntax of the recipient's address");
  }
  if (syntax == Syntax::Strict) {
    const Address& address = *path->address;
    constexpr std::size_t kPromisedOctets = 64;
    // RFC 5321 §4.1.2 (lenient): addresses that a carrier gave out are its own to judge.
    const bool is_given_out = takes_odd && address.local.size() <= kPromisedOctets &&
                              is_odd_local_part(address.local) &&
                              is_strict_domain(address.domain) && takes_odd(address.domain);
    auto refusal = refuse_loose_address(address, 3);
    if (refusal && !is_given_out) return *refusal;
  }
  RcptCommand rcpt;
  rcpt.recipient = std::move(*path->address);
  rcpt.had_source_route = path->had_source_route;
  std::string_view rest = argument.substr(path->octets);
  Once once;
  bool is_bad = false;
  while (const auto p = next_parameter(rest, syntax, is_bad)) {
    if (offered.dsn && equals_ignoring_case(p->keyword, "NOTIFY")) {
      if (once.again(0)) return repeated_parameter(p->keyword);
      const auto notify = parse_notify(p->value);
      if (!notify) return bad_parameter(p->keyword);
      rcpt.notify = *notify;
    } else if (offered.dsn && equals_ignoring_case(p->keyword, "ORCPT")) {
      if (once.again(1)) return repeated_parameter(p->keyword);
      if (p->value.size() > kOrcptOctetsMax || !is_orcpt(p->value, smtputf8)) {
        return bad_parameter(p->keyword);
      }
      rcpt.orcpt = p->value;
    } else {
      return unknown_parameter(p->keyword);
    }
  }
  if (is_bad) return refuse(501, {5, 5, 4}, "Syntax: RCPT TO:<address> [KEY=VALUE]...");
  if ((path->needs_smtputf8 || is_high(rcpt.orcpt)) && !smtputf8) {
    return refuse(553, {5, 6, 7}, "Address needs SMTPUTF8");
  }
  return rcpt;
}

std::optional<BdatCommand> parse_bdat(std::string_view argument) {
  const std::size_t space = argument.find(' ');
  const std::string_view digits = argument.substr(0, space);
  if (digits.size() > 20) return std::nullopt;
  const auto octets = base::parse_u64(digits);
  if (!octets) return std::nullopt;
  BdatCommand bdat{*octets, false};
  if (space != std::string_view::npos) {
    if (!equals_ignoring_case(base::trimmed(argument.substr(space)), "LAST")) return std::nullopt;
    bdat.is_last = true;
  }
  return bdat;
}

}  // namespace ekiden::smtp
