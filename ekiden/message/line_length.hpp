#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace ekiden::message {

/// RFC 5322 §2.1.1: octets of a line without its CRLF.
inline constexpr std::size_t kLineOctetsMax = 998;

/// What a look at every octet found.
struct Scan {
  std::size_t longest_line = 0;  ///< without its CRLF; the last line counts without one
  bool has_eight_bit = false;
  bool has_nul = false;
  bool has_bare_newline = false;  ///< CR without LF, LF without CR

  bool has_long_line() const { return longest_line > kLineOctetsMax; }
  friend bool operator==(const Scan&, const Scan&) = default;
};

/// Scans a message in one pass, split anywhere: 64 octets at a time, about a microsecond for 10
/// KiB.
class LineScanner {
 public:
  void feed(std::string_view octets);

  /// Of everything fed so far. A CR at the very end counts as bare, since nothing followed.
  Scan result() const;

 private:
  void take_block(const char* block, unsigned octets);

  Scan scan_;
  std::size_t line_ = 0;  ///< octets of the line so far, its CR included
  bool ends_in_cr_ = false;
};

Scan scan_lines(std::string_view octets);

/// Folds the lines of a header section that are longer than kLineOctetsMax where white space
/// allows it, and after commas of address fields (RFC 5322 §2.2.3). A line that offers no place
/// stays as it is. `header` holds whole lines.
std::string refold_long_lines(std::string_view header);

}  // namespace ekiden::message
