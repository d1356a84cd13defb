#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "ekiden/base/result.hpp"
#include "ekiden/message/mime.hpp"

namespace ekiden::message {

/// Multiparts and messages inside each other; deeper ones are not opened.
inline constexpr unsigned kStructureDepthMax = 32;
/// Parts of one message; past it the rest stays unread, and `is_cut` says so.
inline constexpr std::size_t kStructurePartsMax = 1000;

/// A message, or one part of one (RFC 2045, RFC 2046), as views into its octets.
struct Structure {
  std::string_view header;  ///< with its blank line, if it has one
  std::string_view body;    ///< as encoded; without the CRLF that belongs to the next boundary
  ContentType type;
  TransferEncoding encoding = TransferEncoding::SevenBit;
  std::vector<Structure> parts;  ///< of a multipart; the message in a message/rfc822
  bool is_cut = false;           ///< a limit was reached here: parts are missing
};

/// Reads the tree of a message. Whatever the octets are there is one: what makes no sense is a
/// leaf. Never looks into an encoded part (RFC 2045 §6.4).
///
/// Errors: HeaderTooLarge, TooManyFields, of the message's own header.
Result<Structure> read_structure(std::string_view message);

}  // namespace ekiden::message
