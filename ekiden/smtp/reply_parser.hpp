#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "ekiden/smtp/reply.hpp"

namespace ekiden::smtp {

/// What ReplyParser::feed found.
enum class ReplyStatus : std::uint8_t {
  Incomplete,  ///< everything was consumed, more is needed
  Complete,    ///< take() has the reply; what follows it was left in the input
  NoCode,      ///< a line without a code of 200 to 599
  MixedCodes,  ///< the lines of one reply carry different codes
  TooLong,     ///< more lines or octets than any honest reply has
};

/// The status in words for a log line or a DSN: "a reply without a code", …
std::string_view describe(ReplyStatus status);

/// Turns what a server sent into replies, in bounded memory.
///
/// Feed it whatever the socket produced, split anywhere. A line may end in LF alone, because
/// nothing can hide behind a reply. Control characters and octets that are not UTF-8 are kept as
/// `\xNN`: a refusal worded in ISO-2022-JP is still a refusal.
///
/// Errors:  NoCode, MixedCodes, TooLong; afterwards the parser is spent: close the connection.
/// Sharing: one connection owns one parser.
class ReplyParser {
 public:
  /// RFC 5321 §4.5.3.1.5 allows 512 octets a line; real servers exceed it with long URLs.
  static constexpr std::size_t kLineOctetsMax = 4096;
  /// Of one reply. The longest EHLO replies seen have about 40 lines.
  static constexpr std::size_t kLinesMax = 256;
  static constexpr std::size_t kReplyOctetsMax = 64 * 1024;

  /// Consumes a prefix of `input`: at most to the end of one reply.
  ReplyStatus feed(std::string_view& input);

  /// The reply, after Complete.
  Reply take();

  /// Nothing of a next reply has been seen.
  bool is_between_replies() const { return line_.empty() && reply_.lines.empty(); }

 private:
  ReplyStatus read_line(std::string_view line);

  std::string line_;  ///< the beginning of a line whose end has not come
  Reply reply_;
  std::size_t octets_ = 0;
};

}  // namespace ekiden::smtp
