#pragma once

#include <boost/json/value.hpp>
#include <optional>
#include <string_view>

#include "ekiden/api/problem.hpp"

namespace ekiden::api {

/// Arrays and objects within each other.
inline constexpr std::size_t kJsonDepthMax = 32;

/// Reads a JSON text as RFC 8259 and RFC 7493 have it: UTF-8, no lone surrogate, no key twice, at
/// most kJsonDepthMax deep, nothing behind it. Never throws. Nothing when it is none, and `why`
/// then says what and where.
std::optional<boost::json::value> parse_json(std::string_view text, Text& why);

}  // namespace ekiden::api
