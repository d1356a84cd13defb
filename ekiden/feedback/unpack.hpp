#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ekiden::feedback {

/// Octets of one report when unpacked; a report that grows past it is refused.
inline constexpr std::size_t kUnpackedOctetsMax = 64u << 20;

enum class Packing : std::uint8_t { None, Gzip, Zip };
/// By the first octets.
Packing packing_of(std::string_view octets);

/// What a gzip file or the first file of a zip archive holds. Nothing, with `why`, when it is
/// damaged, encrypted, or larger than kUnpackedOctetsMax.
std::optional<std::string> unpack(std::string_view octets, std::string& why);

}  // namespace ekiden::feedback
