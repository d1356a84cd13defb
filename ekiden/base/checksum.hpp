#pragma once

#include <cstdint>
#include <string_view>

namespace ekiden::base {

/// CRC-32C (Castagnoli), by the processor's instruction where it has one. Chain calls by passing
/// the previous result.
std::uint32_t crc32c(std::string_view octets, std::uint32_t previous = 0);

/// A fast 64-bit hash, the same on every machine and in every run. Not for adversaries' tables.
std::uint64_t hash64(std::string_view octets, std::uint64_t seed = 0);

}  // namespace ekiden::base
