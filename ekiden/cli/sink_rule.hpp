#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "ekiden/base/random.hpp"
#include "ekiden/base/time.hpp"
#include "ekiden/smtp/reply.hpp"

namespace ekiden::cli {

/// Where in a transaction the sink misbehaves.
enum class SinkStage {
  Connect,
  Mail,    ///< the pattern is compared with the reverse-path
  Rcpt,    ///< and from here on with the recipient, or any of them
  Data,    ///< before the 354
  Eod,     ///< after the final dot; nothing is stored
  Stored,  ///< after the message was stored: the sender cannot know that it was
};

/// "[STAGE:][PATTERN][ N%][=REPLY]", for example "bad-*@*=550 5.1.1 No such user", "10%",
/// "eod:*@slow.example 5%=450 4.2.0 Not now", "stored:1%".
struct SinkRule {
  SinkStage stage = SinkStage::Rcpt;
  std::string pattern = "*";  ///< '*' and '?', any case
  double share = 1;           ///< of what the pattern fits
  smtp::Reply reply;
  bool drops = false;  ///< close the connection instead of answering

  bool fits(std::string_view address, base::Random& random) const;
};

/// Nothing, and `why`, when the text is no rule.
std::optional<SinkRule> parse_sink_rule(std::string_view text, const SinkRule& defaults,
                                        std::string& why);

/// "[STAGE:]DURATION": how long to wait before the answer.
struct SinkLatency {
  SinkStage stage = SinkStage::Eod;
  base::Duration delay{};
};
std::optional<SinkLatency> parse_sink_latency(std::string_view text, std::string& why);

/// '*' fits any octets, '?' one; ASCII letters in any case.
bool fits_pattern(std::string_view text, std::string_view pattern);

}  // namespace ekiden::cli
