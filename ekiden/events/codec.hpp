#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "ekiden/events/event.hpp"

namespace ekiden::events {

/// What the store files an encoded event under, read without copying a field.
struct KeyView {
  base::Time time{};
  Kind kind = Kind::Accepted;
  base::MessageId message;
  std::uint32_t recipient_index = 0;
  std::uint32_t attempt = 0;
  std::string_view id;  ///< empty: the id is event_id() of the numbers above
  std::string_view recipient, sender, tenant, stream, internet_message_id;
  std::string_view header_from, subject, source, provider, enhanced_code;
  std::uint16_t reply_code = 0;
  std::string_view transcript;
  /// Of the message's tags, so many are found by.
  static constexpr std::size_t kTagsMax = 4;
  std::array<std::string_view, kTagsMax> tags;
  std::size_t tag_count = 0;
};

/// The octets without the transcript, which is always the last field: an event of its own.
std::string_view without_transcript(std::string_view octets, const KeyView& keys);

/// Views into `octets`. Errors: Errc::Malformed, exactly when decode_event has it too.
Result<KeyView> read_keys(std::string_view octets);

}  // namespace ekiden::events
