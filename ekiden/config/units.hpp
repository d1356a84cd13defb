#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "ekiden/base/time.hpp"
#include "ekiden/config/rate.hpp"
#include "ekiden/config/settings.hpp"

namespace ekiden::config {

/// "250ms", "5m", "1h30m", "5d": whole numbers with us, ms, s, m, h, d or w, largest first.
/// Nothing when the text is none, or longer than a thousand years.
std::optional<Duration> parse_duration(std::string_view text);
/// What parse_duration reads back to the same value.
std::string format_duration_exact(Duration duration);

/// "512B", "64KiB", "10MiB", "1GiB", "2TiB". A power of ten ("10MB") is refused on purpose: half
/// of its writers mean the other.
std::optional<Size> parse_size(std::string_view text);
std::string format_size_exact(Size size);

/// "10/s", "100/min", "5000/h", "100000/d", or "off".
std::optional<Rate> parse_rate(std::string_view text);
std::string format_rate(const Rate& rate);

}  // namespace ekiden::config
