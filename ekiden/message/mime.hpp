#pragma once

#include <string>
#include <string_view>

namespace ekiden::message {

/// RFC 2045 §6.1.
enum class TransferEncoding { SevenBit, EightBit, Binary, QuotedPrintable, Base64, Other };

/// RFC 2045 §5, as far as a relay needs it.
struct ContentType {
  std::string type = "text";  ///< lower case
  std::string subtype = "plain";
  std::string boundary;  ///< as given, unquoted; empty without one
  bool is_given = false;
  bool has_charset = false;

  bool is(std::string_view t, std::string_view s) const { return type == t && subtype == s; }
  bool is_multipart() const { return type == "multipart" && !boundary.empty(); }
};

/// Reads a Content-Type value, tolerating comments, folds and missing quotes. A value that makes
/// no sense gives application/octet-stream (RFC 2045 §5.2).
ContentType parse_content_type(std::string_view value);

/// The parameter `name` of a structured value such as Content-Type's, unquoted; empty without one.
/// RFC 2231's forms are not joined.
std::string find_parameter(std::string_view value, std::string_view name);

/// Unknown names give Other: the part is left alone.
TransferEncoding parse_transfer_encoding(std::string_view value);

}  // namespace ekiden::message
