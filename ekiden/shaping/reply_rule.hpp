#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/base/time.hpp"
#include "ekiden/shaping/reason.hpp"
#include "ekiden/smtp/reply.hpp"

namespace ekiden::shaping {

/// Which command was answered. Unknown: nobody says, as in a bounce mail; a rule that names phases
/// does not match it.
enum class Phase : std::uint8_t { Unknown, Connect, Ehlo, Mail, Rcpt, Data, Eod };
inline constexpr std::size_t kPhases = 7;

/// How an exchange ended. What is no reply has a code of zero and no text.
enum class Ending : std::uint8_t { Reply, Reset, Closed, TimedOut };

std::optional<Phase> parse_phase(std::string_view word);
std::optional<Ending> parse_ending(std::string_view word);
/// "connect", "ehlo", … without "unknown".
const std::vector<std::string>& phase_names();

/// What is known of one reply. The texts are borrowed.
struct ReplyFacts {
  Phase phase = Phase::Unknown;
  Ending ending = Ending::Reply;
  std::uint16_t code = 0;
  smtp::EnhancedCode enhanced;
  /// Lines joined by spaces or " / ". Leading codes are cut off before rules see it.
  std::string_view text;
};

/// Reads "550 5.1.1 <a@example.org>: User unknown", or "reset", "closed", "timeout".
ReplyFacts parse_reply_facts(std::string_view text, Phase phase);
/// The same facts with code and enhanced code cut off the text's front, and an enhanced code that
/// only stands there taken over.
ReplyFacts normalized(ReplyFacts facts);

/// Octets of a reply that rules look at; what follows is cut off. RFC 5321 §4.5.3.1.5 allows 512 a
/// line, and nobody says more in a thousand lines than in the first eight.
inline constexpr std::size_t kReplyTextMax = 4096;

/// Facts as rules see them: normalized, and with every address in the text written "a@b", so that
/// `<spam@example.org>: User unknown` is about a user.
class PreparedReply {
 public:
  explicit PreparedReply(const ReplyFacts& raw);
  PreparedReply(const PreparedReply&) = delete;
  PreparedReply& operator=(const PreparedReply&) = delete;

  const ReplyFacts& facts() const { return facts_; }

 private:
  std::string text_;
  ReplyFacts facts_;
};

/// "5.7.1", "5.7.*" or "*.7.1"; 0xffff matches anything.
struct EnhancedPattern {
  static constexpr std::uint16_t kAny = 0xffff;
  std::uint16_t klass = kAny, subject = kAny, detail = kAny;

  bool matches(smtp::EnhancedCode code) const;
};
std::optional<EnhancedPattern> parse_enhanced_pattern(std::string_view text);

/// "550", "5xx", "45x".
struct CodePattern {
  std::uint16_t low = 0, high = 0;
  bool matches(std::uint16_t code) const { return low <= code && code <= high; }
};
std::optional<CodePattern> parse_code_pattern(std::string_view text);

/// One line of a rules file, as data: when it matches and what that means. What is empty matches
/// anything.
struct ReplyRule {
  std::uint8_t phases = 0;       ///< bit n: the phase of value n; 0: any, an unknown one too
  std::optional<Ending> ending;  ///< nothing: a reply
  std::vector<CodePattern> codes;
  std::vector<EnhancedPattern> enhanced;
  std::string text;  ///< an RE2 that is searched for, whatever the case of letters

  Reason reason = Reason::Undefined;
  ReplyClass klass = ReplyClass::Other;
  bool is_hard = false;
  Fault fault = Fault::Provider;
  Action action = Action::None;
  base::Duration duration{};  ///< of Suspend and RestSource

  std::vector<std::string> examples;
  std::string origin;  ///< "docomo.toml:12"

  /// Everything but the text.
  bool matches_codes(const ReplyFacts& facts) const;
};

/// What came of a reply.
struct Classification {
  Reason reason = Reason::Undefined;
  ReplyClass klass = ReplyClass::Other;
  bool is_hard = false;
  Fault fault = Fault::Provider;
  Action action = Action::None;
  base::Duration duration{};
  std::string_view provider;  ///< lives as long as the providers
  std::string_view rule;      ///< where the rule stands; empty: none matched
};

}  // namespace ekiden::shaping
