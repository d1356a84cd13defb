#include "ekiden/feedback/bounce_text.hpp"

#include <re2/re2.h>

#include <algorithm>
#include <array>

#include "ekiden/base/text.hpp"
#include "ekiden/feedback/bounce.hpp"

namespace ekiden::feedback {
namespace {

re2::StringPiece piece(std::string_view text) {
  return {text.data(), text.size()};
}

RE2::Options quiet() {
  RE2::Options options;
  options.set_case_sensitive(false);
  options.set_log_errors(false);
  return options;
}

/// From here on a text repeats the mail that it is about.
bool begins_original(std::string_view line) {
  static const RE2 kBegin(
      "^\\s*(-{2,}|_{3,}|={3,}|>{2,} )?\\s*(("
      "(here |this |below this line |enclosed )?is (a |the )?(copy|text|header)|"
      "below this line is a copy|original message|original mail|returned message|"
      "(the )?(body|headers?|text) of (your |the )?(original |message|mail)|"
      "the (attached|following) (is|are) (a copy of )?(your |the )(original |message|mail)|"
      "unsent message|message (text|contents?|header)s? follows?|"
      "enclosed is a copy|undelivered message|returned (message|content)|"
      "original message follows|received message follows|"
      "message headers? follow|your (original )?message (reads|follows|was)|"
      "start of the original|the text of the original))",
      quiet());
  static const RE2 kHeaderLine("^(Received: |Return-Path: |DKIM-Signature: )", quiet());
  return RE2::PartialMatch(piece(line), kBegin) || RE2::PartialMatch(piece(line), kHeaderLine);
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty() && lines.size() < kBounceLinesMax) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

/// An address that the line is about: it begins with it, or with a label and it.
std::string address_of_line(std::string_view line) {
  static const RE2 kAddress(
      "^[\\s*>\"'-]*(?:[45][0-5][0-9] (?:[45]\\.[0-9]\\.[0-9]+ )?)?"
      "(?:(?:final[- ]recipient|original[- ]recipient|recipient|recipients? address|to|rcpt "
      "to|user|"
      "address|email address|failed recipient|the following address(?:es)? failed|"
      "your message to|message to|delivery to|for|mail to|intended recipient|"
      "(?:undeliverable|unknown) (?:address|user))\\s*(?:is|:|=|;)?\\s*)?"
      "(?:rfc822;\\s*|smtp:)?[<\\[(\"']*"
      "([^\\s<>\\[\\]()\"',:;]+@[a-z0-9_.-]+\\.[a-z0-9-]+)",
      quiet());
  std::string found;
  if (!RE2::PartialMatch(piece(line), kAddress, &found)) return {};
  while (found.ends_with('.')) found.pop_back();
  return found;
}

struct CodePosition {
  std::size_t at = std::string_view::npos;
  std::uint16_t code = 0;
};

/// The first reply code in a line: three digits that stand alone.
CodePosition find_code(std::string_view line) {
  static const RE2 kCode("(?:^|[^0-9A-Za-z.@/#-])([245][0-5][0-9])(?:[ -]|$|: )", quiet());
  re2::StringPiece digits;
  if (!RE2::PartialMatch(piece(line), kCode, &digits)) return {};
  return {static_cast<std::size_t>(digits.data() - line.data()),
          static_cast<std::uint16_t>(base::parse_u64({digits.data(), 3}).value_or(0))};
}

std::string collapsed(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool is_space = c == ' ' || c == '\t' || c == '\n' || c == '\r';
    if (!is_space) {
      out += c;
    } else if (!out.empty() && out.back() != ' ') {
      out += ' ';
    }
  }
  while (out.ends_with(' ')) out.pop_back();
  if (out.size() > kBounceReplyMax) out.resize(kBounceReplyMax);
  return out;
}

std::string host_in(std::string_view text) {
  static const RE2 kHost(
      "(?:while talking to|host|remote server|from|connected to|server for|mta|relay|server)\\s+"
      "[<\\[(\"']*([a-z0-9][a-z0-9-]*(?:\\.[a-z0-9-]+)*\\.[a-z]{2,})",
      quiet());
  std::string host;
  (void)RE2::PartialMatch(piece(text), kHost, &host);
  return base::lowered(host);
}

}  // namespace

std::string_view without_original(std::string_view text) {
  bool has_said = false;
  std::size_t at = 0;
  for (const std::string_view line : lines_of(text)) {
    // A mail that begins so has nothing else to say.
    if (has_said && begins_original(line)) return text.substr(0, at);
    has_said = has_said || !base::trimmed(line).empty();
    at += line.size() + 1;
  }
  return text.substr(0, std::min(at, text.size()));
}

std::vector<Told> find_told(std::string_view text) {
  std::vector<Told> all;
  for (const std::string_view line : lines_of(text)) {
    const std::string address = address_of_line(line);
    const bool is_known = std::any_of(all.begin(), all.end(), [&](const Told& told) {
      return base::equals_ignoring_case(told.address, address);
    });
    if (!address.empty() && !is_known) {
      if (all.size() >= kBounceRecipientsMax) break;
      all.push_back({address, {}});
    }
    if (!all.empty()) all.back().about.append(line).append("\n");
  }
  return all;
}

std::string find_enhanced_code(std::string_view text) {
  static const RE2 kEnhanced("(?:^|[^0-9.])#?([245]\\.[0-9]\\.[0-9]{1,3})(?:[^0-9.]|\\.?$|\\.\\s)",
                             quiet());
  std::string found;
  (void)RE2::PartialMatch(piece(text), kEnhanced, &found);
  return found;
}

shaping::Phase find_phase(std::string_view text) {
  struct Pattern {
    shaping::Phase phase;
    RE2 regex;
  };
  using shaping::Phase;
  static const std::array<Pattern, 6> kPatterns = {{
      {Phase::Eod, RE2("end of data|after (sending )?(the )?(message|mail|data)|"
                       "in reply to end of DATA|>>> \\.$|after pipelined end of data",
                       quiet())},
      {Phase::Data, RE2(">>> (DATA|BDAT)|reply to (the )?(DATA|BDAT)|after (pipelined )?DATA|"
                        "DATA:",
                        quiet())},
      {Phase::Rcpt, RE2(">>> RCPT|reply to (the )?RCPT|after (pipelined )?RCPT|RCPT TO|"
                        "does not like recipient|recipient (address )?rejected",
                        quiet())},
      {Phase::Mail, RE2(">>> MAIL|reply to (the )?MAIL|after (pipelined )?MAIL FROM|MAIL FROM:|"
                        "does not like sender|sender (address )?rejected",
                        quiet())},
      {Phase::Ehlo, RE2(">>> (EHLO|HELO)|reply to (the )?(EHLO|HELO)|after (EHLO|HELO)", quiet())},
      {Phase::Connect, RE2("initial (server )?greeting|while receiving the initial|connect to|"
                           "connection (timed out|refused)|refused to talk to me",
                           quiet())},
  }};
  for (const Pattern& pattern : kPatterns)
    if (RE2::PartialMatch(piece(text), pattern.regex)) return pattern.phase;
  return Phase::Unknown;
}

std::optional<shaping::Reason> reason_of_sentence(std::string_view text) {
  using shaping::Reason;
  struct Sentence {
    Reason reason;
    RE2 regex;
  };
  static const std::array<Sentence, 13> kSentences = {{
      {Reason::UserUnknown,
       RE2("not listed in (public|domino|.{0,20}name & address)|no such (user|mailbox|recipient)|"
           "not a valid mailbox|unknown (local.?part|recipient|user)|could not be found|"
           "doesn't have an? \\S+ account|e-mail account does not exist|recipient unknown|"
           "宛先メールアドレスが見つからない|ディレクトリのリストにありません|"
           "ディレクトリには見つかりません|no account by that name|not recogni[sz]ed",
           quiet())},
      {Reason::MailboxFull,
       RE2("exceeds allowed size|(mailbox|quota).{0,40}(full|exceeded|over)|over quota|"
           "exceeded the space limit|maximum allowable diskspace|size limit of the mailbox",
           quiet())},
      {Reason::SenderRejected,
       RE2("the group you tried to contact|address is not permitted to post|"
           "you are not (a member|allowed)|googlegroups\\.com.{0,400}groups/answer|"
           "support\\.google\\.com/(a/\\S+/bin/topic\\.py|\\S*groups)",
           quiet())},
      {Reason::Dns, RE2("(host|domain) (name )?(not found|unknown|does not exist)|no mx found|"
                        "unrouteable (mail )?domain|name or service not known|non-?existent domain|"
                        "dns lookup failure|could not resolve",
                        quiet())},
      {Reason::Network,
       RE2("retry time(out)? (not reached|exceeded)|timeout exceeded|connection (timed "
           "out|refused)|"
           "did not accept our requests to connect|not responding|could not connect|"
           "delivery failed \\d+ attempts|giving up|(undelivered|undeliverable) (for|after)|"
           "envelope expired|not (been )?delivered within|message timeout|expired|"
           "failed after i sent|too long|(has been|was) queued (for|too)",
           quiet())},
      {Reason::Virus, RE2("virus|malware|infected", quiet())},
      {Reason::SpamContent, RE2("\\bspam\\b|unsolicited|blocked by filter", quiet())},
      {Reason::TooLarge, RE2("too (large|big)|size limit|maximum message size", quiet())},
      {Reason::Authentication, RE2("\\b(spf|dkim|dmarc)\\b", quiet())},
      {Reason::RelayDenied, RE2("relay(ing)? (denied|not)|not permitted to relay", quiet())},
      {Reason::ReputationIp, RE2("(black|block).?list|\\brbl\\b|blocked", quiet())},
      {Reason::System,
       RE2("local (delivery )?error|pipe to|command died|returned \\d+ from|loops? back|"
           "mailer error|command failed",
           quiet())},
      {Reason::Policy, RE2("prohibited|policy|not allowed|rejected", quiet())},
  }};
  for (const Sentence& sentence : kSentences)
    if (RE2::PartialMatch(piece(text), sentence.regex)) return sentence.reason;
  return std::nullopt;
}

QuotedReply find_reply(std::string_view text) {
  const std::vector<std::string_view> lines = lines_of(text);
  int best = 0;
  QuotedReply reply;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const CodePosition code = find_code(lines[i]);
    const bool is_success = code.code >= 200 && code.code < 300;
    const std::string enhanced = find_enhanced_code(lines[i]);
    int score = 0;
    if (code.code != 0 && !is_success) score += 4;
    if (!enhanced.empty() && enhanced.front() != '2') score += 2;
    if (lines[i].find("<<<") != std::string_view::npos && score > 0) score += 1;
    if (score <= best) continue;
    best = score;
    std::string_view from = lines[i];
    if (code.code != 0) from.remove_prefix(code.at);
    std::string whole(from);
    // A reply goes on where the next lines are indented or repeat its code.
    for (std::size_t n = i + 1; n < lines.size() && n < i + 10; ++n) {
      const std::string_view next = base::trimmed(lines[n]);
      const bool repeats = code.code != 0 && next.size() > 4 && find_code(next).code == code.code &&
                           find_code(next).at <= 4;
      const bool is_indented = lines[n].size() > next.size() && lines[n].front() <= ' ' &&
                               !lines[n].empty() && lines[i].front() > ' ';
      if (next.empty() || (!repeats && !is_indented)) break;
      whole.append(" ").append(next);
    }
    reply.text = collapsed(whole);
    reply.code = is_success ? 0 : code.code;
    reply.enhanced = enhanced;
  }
  if (best == 0) reply.text = collapsed(text);
  reply.host = host_in(text);
  reply.phase = find_phase(text);
  return reply;
}

}  // namespace ekiden::feedback
