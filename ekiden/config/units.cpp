#include "ekiden/config/units.hpp"

#include <array>
#include <cstdint>
#include <limits>

#include "ekiden/base/text.hpp"

namespace ekiden::config {

namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

constexpr std::uint64_t kSecond = 1'000'000;
constexpr std::uint64_t kDurationMax = kSecond * 86'400 * 365'000;

// Largest first, as they are written and as they must follow each other.
constexpr std::array<Unit, 7> kDurations{{{"w", kSecond * 604'800},
                                          {"d", kSecond * 86'400},
                                          {"h", kSecond * 3'600},
                                          {"m", kSecond * 60},
                                          {"s", kSecond},
                                          {"ms", 1'000},
                                          {"us", 1}}};
constexpr std::array<Unit, 5> kSizes{
    {{"TiB", 1ULL << 40}, {"GiB", 1ULL << 30}, {"MiB", 1ULL << 20}, {"KiB", 1ULL << 10}, {"B", 1}}};
constexpr std::array<Unit, 7> kRates{{{"s", kSecond},
                                      {"sec", kSecond},
                                      {"min", kSecond * 60},
                                      {"h", kSecond * 3'600},
                                      {"hour", kSecond * 3'600},
                                      {"d", kSecond * 86'400},
                                      {"day", kSecond * 86'400}}};

/// Cuts a prefix of characters for which `belongs` holds.
template <class Belongs>
std::string_view cut(std::string_view& text, Belongs belongs) {
  std::size_t n = 0;
  while (n < text.size() && belongs(text[n])) ++n;
  const std::string_view prefix = text.substr(0, n);
  text.remove_prefix(n);
  return prefix;
}

/// number × factor, unless it passes `max`.
std::optional<std::uint64_t> scaled(std::string_view digits, std::uint64_t factor,
                                    std::uint64_t max) {
  const auto number = base::parse_u64(digits);
  if (!number || *number > max / factor) return std::nullopt;
  return *number * factor;
}

}  // namespace

std::optional<Duration> parse_duration(std::string_view text) {
  if (text.empty()) return std::nullopt;
  std::uint64_t total = 0;
  std::size_t next_unit = 0;
  while (!text.empty()) {
    const std::string_view digits = cut(text, base::is_digit);
    const std::string_view name = cut(text, base::is_alpha);
    std::size_t unit = next_unit;
    while (unit < kDurations.size() && kDurations[unit].name != name) ++unit;
    if (unit == kDurations.size()) return std::nullopt;
    const auto part = scaled(digits, kDurations[unit].factor, kDurationMax);
    if (!part) return std::nullopt;
    total += *part;
    if (total > kDurationMax) return std::nullopt;
    next_unit = unit + 1;
  }
  return Duration(static_cast<std::int64_t>(total));
}

std::string format_duration_exact(Duration duration) {
  auto left = static_cast<std::uint64_t>(duration.count());
  if (left == 0) return "0s";
  std::string text;
  for (const Unit& unit : kDurations) {
    if (unit.name == "w" || left < unit.factor) continue;
    text += std::to_string(left / unit.factor);
    text += unit.name;
    left %= unit.factor;
  }
  return text;
}

std::optional<Size> parse_size(std::string_view text) {
  const std::string_view digits = cut(text, base::is_digit);
  for (const Unit& unit : kSizes) {
    if (unit.name == text) {
      return scaled(digits, unit.factor, std::numeric_limits<std::int64_t>::max());
    }
  }
  return std::nullopt;
}

std::string format_size_exact(Size size) {
  for (const Unit& unit : kSizes) {
    if (size >= unit.factor && size % unit.factor == 0) {
      return std::to_string(size / unit.factor) + std::string(unit.name);
    }
  }
  return "0B";
}

std::optional<Rate> parse_rate(std::string_view text) {
  if (text == "off") return Rate{};
  const std::string_view digits = cut(text, base::is_digit);
  const auto count = base::parse_u64(digits);
  if (!count || *count == 0 || *count > std::numeric_limits<std::uint32_t>::max()) {
    return std::nullopt;
  }
  if (text.empty() || text.front() != '/') return std::nullopt;
  text.remove_prefix(1);
  for (const Unit& unit : kRates) {
    if (unit.name == text) {
      return Rate{static_cast<std::uint32_t>(*count),
                  Duration(static_cast<std::int64_t>(unit.factor))};
    }
  }
  return std::nullopt;
}

std::string format_rate(const Rate& rate) {
  if (rate.is_off()) return "off";
  for (const Unit& unit : kRates) {
    if (static_cast<std::int64_t>(unit.factor) == rate.per.count()) {
      return std::to_string(rate.count) + "/" + std::string(unit.name);
    }
  }
  return std::to_string(rate.count) + "/" + format_duration_exact(rate.per);
}

}  // namespace ekiden::config
