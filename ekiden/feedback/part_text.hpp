#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "ekiden/message/structure.hpp"

namespace ekiden::feedback {

/// Octets of one part that are decoded; the rest is left unread.
inline constexpr std::size_t kPartOctetsMax = 1 << 20;

/// The part's octets without their transfer encoding. What cannot be decoded is left out.
std::string decoded_octets(const message::Structure& part, std::size_t octets_max = kPartOctetsMax);

/// The same as UTF-8, line ends as LF. A charset that is unknown, or wrong, leaves its 8-bit octets
/// out; ISO-2022-JP is recognized without being declared.
std::string decoded_text(const message::Structure& part);

/// HTML without tags, for those who answer in nothing else.
std::string text_of_html(std::string_view html);

/// The first field of that name in a header section, unfolded; empty without one.
std::string find_field(std::string_view header, std::string_view name);

}  // namespace ekiden::feedback
