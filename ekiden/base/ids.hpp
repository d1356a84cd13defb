#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "ekiden/base/random.hpp"
#include "ekiden/base/time.hpp"

namespace ekiden::base {

/// Names one message on every node, for ever; ordered by the time it was given.
///
/// Units: high 64 bits: 48 bits of Unix milliseconds, 16 bits of node; low 64 bits: 8 bits of
/// worker, 56 bits of counter that starts at random.
struct MessageId {
  std::uint64_t high = 0;
  std::uint64_t low = 0;

  friend auto operator<=>(const MessageId&, const MessageId&) = default;
  Time time() const { return from_unix_us(static_cast<std::int64_t>(high >> 16) * 1000); }
};

/// 26 characters of Crockford's base 32, lower case, sorting as the id does.
std::string format_message_id(MessageId id);
std::optional<MessageId> parse_message_id(std::string_view text);

/// Gives ids that never repeat: one per worker.
class MessageIdSource {
 public:
  MessageIdSource(std::uint16_t node, std::uint8_t worker, Random& random);
  MessageId next(Time now);

 private:
  std::uint16_t node_;
  std::uint8_t worker_;
  std::uint64_t counter_;
};

}  // namespace ekiden::base

template <>
struct std::hash<ekiden::base::MessageId> {
  std::size_t operator()(const ekiden::base::MessageId& id) const noexcept {
    std::uint64_t z = (id.high ^ (id.low * 0x9e3779b97f4a7c15ULL)) * 0xbf58476d1ce4e5b9ULL;
    return z ^ (z >> 31);
  }
};
