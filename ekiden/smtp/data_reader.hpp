#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "ekiden/base/result.hpp"
#include "ekiden/smtp/error.hpp"

namespace ekiden::smtp {

enum class BareNewlines {
  Refuse,
  Fix,  ///< a CR or LF alone becomes CRLF; it still never starts the line of the final dot
};

enum class Framing {
  Dots,  ///< DATA: stuffed dots, and a lone one at the end
  Raw,   ///< BDAT: the chunk sizes tell the end; dots mean nothing
};

struct DataProgress {
  std::size_t octets = 0;    ///< of the input that were consumed; all of it unless complete
  bool is_complete = false;  ///< the lone dot was seen; what follows are commands
};

/// Turns the octets after DATA into message octets, until the lone dot.
///
/// Feed it whatever the socket produced, split anywhere. Only CRLF "." CRLF ends the message
/// (RFC 5321 §4.1.1.4). A bare CR or LF is refused, not repaired, unless asked (RFC 5321 §2.3.8):
/// the next relay may read it as a line end and see a second, smuggled message. CRs directly in
/// front of a CRLF are kept as they are: everybody finds the same line end in "CR CR LF". NULs and
/// other octets are preserved.
///
/// Units:   octets as received, before stuffed dots are removed.
/// Errors:  Errc::BareNewline; afterwards the reader is spent, so close the session.
/// Sharing: one session owns one reader.
class DataReader {
 public:
  explicit DataReader(BareNewlines bare_newlines = BareNewlines::Refuse,
                      Framing framing = Framing::Dots)
      : bare_newlines_(bare_newlines), framing_(framing) {}

  /// Consumes a prefix of `input`, appending message octets to `body`.
  [[nodiscard]] Result<DataProgress> feed(std::string_view input, std::string& body);

  /// For Framing::Raw, when nothing more comes: a CR whose LF never came.
  bool ends_in_bare_cr() const { return state_ == State::AfterCr; }
  /// Of the longest line so far, without its CRLF.
  std::size_t longest_line() const { return longest_line_; }
  /// An octet above 127 was seen.
  bool is_eight_bit() const { return is_eight_bit_; }

 private:
  enum class State : std::uint8_t { LineStart, InLine, AfterCr, Dot, DotCr };

  void end_line();

  BareNewlines bare_newlines_;
  Framing framing_;
  State state_ = State::LineStart;
  bool is_eight_bit_ = false;
  std::size_t line_ = 0;  ///< octets of the current line that are in the body
  std::size_t longest_line_ = 0;
};

}  // namespace ekiden::smtp
