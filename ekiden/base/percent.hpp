#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ekiden::base {

/// RFC 3986 §2.1: "%E3%81%82" decoded. Nothing for a percent sign without its two digits.
std::optional<std::string> percent_decoded(std::string_view text);

/// All but the unreserved characters of RFC 3986 §2.3 and those of `kept` as "%E3", in capitals.
std::string percent_encoded(std::string_view text, std::string_view kept = "");

}  // namespace ekiden::base
