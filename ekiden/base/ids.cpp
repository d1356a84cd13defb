#include "ekiden/base/ids.hpp"

#include <algorithm>

namespace ekiden::base {
namespace {

constexpr std::string_view kAlphabet = "0123456789abcdefghjkmnpqrstvwxyz";
constexpr std::size_t kTextLength = 26;
constexpr std::uint64_t kCounterMask = (1ULL << 56) - 1;

}  // namespace

std::string format_message_id(MessageId id) {
  std::string text(kTextLength, '0');
  for (std::size_t i = kTextLength; i-- > 0;) {
    text[i] = kAlphabet[id.low & 31];
    id.low = (id.low >> 5) | (id.high << 59);
    id.high >>= 5;
  }
  return text;
}

std::optional<MessageId> parse_message_id(std::string_view text) {
  if (text.size() != kTextLength) return std::nullopt;
  MessageId id;
  for (char c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    const std::size_t digit = kAlphabet.find(c);
    if (digit == std::string_view::npos || (id.high >> 59) != 0) return std::nullopt;
    id.high = (id.high << 5) | (id.low >> 59);
    id.low = (id.low << 5) | digit;
  }
  return id;
}

MessageIdSource::MessageIdSource(std::uint16_t node, std::uint8_t worker, Random& random)
    : node_(node), worker_(worker), counter_(random.next() & kCounterMask) {}

MessageId MessageIdSource::next(Time now) {
  const auto ms = static_cast<std::uint64_t>(std::max<std::int64_t>(0, to_unix_us(now) / 1000));
  counter_ = (counter_ + 1) & kCounterMask;
  return {(ms << 16) | node_, (static_cast<std::uint64_t>(worker_) << 56) | counter_};
}

}  // namespace ekiden::base
