#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "ekiden/config/schema.hpp"

/// What the lists of keys are written with.
namespace ekiden::config {

/// Microseconds, as durations count.
inline constexpr double kDay = 86'400e6;
inline constexpr double kHour = 3'600e6;
inline constexpr double kMinute = 60e6;
inline constexpr double kTimeOutMin = 100e3;

/// One of `words`, in the order of the enumerators.
template <class E>
Choice choice(E& member, std::vector<std::string> words) {
  return Choice{[&member] { return static_cast<std::size_t>(member); },
                [&member](std::size_t i) { member = static_cast<E>(i); }, std::move(words)};
}

/// Several of them.
template <class E>
Choices choices(std::vector<E>& member, std::vector<std::string> words) {
  return Choices{[&member] {
                   std::vector<std::size_t> all;
                   for (const E e : member) all.push_back(static_cast<std::size_t>(e));
                   return all;
                 },
                 [&member](std::vector<std::size_t> all) {
                   member.clear();
                   for (const std::size_t i : all) member.push_back(static_cast<E>(i));
                 },
                 std::move(words)};
}

}  // namespace ekiden::config
