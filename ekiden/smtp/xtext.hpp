#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ekiden::smtp {

/// RFC 3461 §4: printable ASCII but "+" and "=" stand for themselves, "+XX" for any octet.
bool is_xtext(std::string_view text);
std::string encode_xtext(std::string_view octets);
/// Nothing when it is not xtext.
std::optional<std::string> decode_xtext(std::string_view text);

/// RFC 6533 §3: "utf-8-addr-xtext" and "utf-8-addr-unitext" of an ORCPT: what `is_xtext` takes,
/// "\x{HHHH}" and, where SMTPUTF8 is in force, UTF-8.
bool is_utf8_address_text(std::string_view text, bool may_be_utf8);

}  // namespace ekiden::smtp
