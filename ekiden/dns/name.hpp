#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ekiden::dns {

/// RFC 1035 §2.3.4.
inline constexpr std::size_t kNameOctetsMax = 255;
inline constexpr std::size_t kLabelOctetsMax = 63;

/// The name as on the wire, lower case, uncompressed. "" and "." are the root; one trailing dot
/// is ignored. Nothing when no such name can exist: an empty or long label, a long name, or an
/// octet that is a space, a control character or not ASCII (ask with A-labels).
std::optional<std::string> wire_of_name(std::string_view text);

/// Whether a question can be made of the name, in lower case and without its trailing dot: no empty
/// label, none over 63 octets, 253 in all. Unlike wire_of_name it leaves the octets of a label to
/// those who published it (RFC 2181 §11): SPF asks for names with spaces and percent signs.
bool may_be_asked(std::string_view name);

/// The uncompressed name at the front of `wire`, lower case, without a trailing dot; the root is
/// "". `wire` is moved behind it. Nothing when it is malformed, or when a label holds what text
/// could not say: a dot, a space, a control character, an octet above 126.
std::optional<std::string> take_name(std::string_view& wire);

/// Lower case, without the trailing dot: how names are compared here.
std::string canonical_name(std::string_view text);

}  // namespace ekiden::dns
