#pragma once

#include <string>
#include <string_view>

namespace ekiden::message {

/// The text of a header field as people read it: encoded words decoded (RFC 2047), of whatever
/// charset, what is no text replaced. Valid UTF-8.
std::string decode_header_text(std::string_view text);

}  // namespace ekiden::message
