#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "ekiden/base/result.hpp"

namespace ekiden::message {

/// Past them: Errc::HeaderTooLarge, Errc::TooManyFields. Mail of real people stays far below.
inline constexpr std::size_t kHeaderOctetsMax = 512 * 1024;
inline constexpr std::size_t kHeaderFieldsMax = 2000;

/// One header field, as views into the message.
struct Field {
  std::string_view octets;  ///< from the name to the last CRLF, folding included
  std::string_view name;    ///< without the white space that obsolete syntax allows before ':'
  std::string_view value;   ///< after ':', folding included, without the last CRLF
};

/// Walks the fields of a header section without copying anything.
///
/// A line ends with CRLF only; a bare CR or LF is an octet like others. White space between name
/// and colon is tolerated (RFC 5322 §4.5). The section ends at the blank line, at the first line
/// that is no field (its octets belong to the body), or with the octets.
class HeaderScanner {
 public:
  explicit HeaderScanner(std::string_view octets) : octets_(octets) {}

  /// True: `field` is the next one. False: the section has ended.
  /// Errors: HeaderTooLarge, TooManyFields.
  Result<bool> next(Field& field);

  /// Octets walked so far; after the end, those of the whole section, blank line included.
  std::size_t consumed() const { return position_; }
  /// After the end: a blank line ended it.
  bool has_blank_line() const { return has_blank_line_; }

 private:
  std::string_view octets_;
  std::size_t position_ = 0;
  std::size_t fields_ = 0;
  bool has_blank_line_ = false;
};

/// Octets up to and with the blank line that ends the header section; npos while none is there.
/// `from` is where an earlier search over the same, shorter octets stopped (its size).
std::size_t find_header_end(std::string_view octets, std::size_t from = 0);

/// One field at the front of `lines`: its name's length, 0 when the line is no field.
std::size_t field_name_octets(std::string_view line);

/// The value without its folds (RFC 5322 §2.2.3) and without white space at both ends.
std::string unfolded(std::string_view value);

/// An octet above 127 occurs.
bool has_eight_bit(std::string_view octets);

}  // namespace ekiden::message
