#pragma once

#include <cstdint>

#include "ekiden/base/ids.hpp"
#include "ekiden/events/event.hpp"
#include "ekiden/message/envelope.hpp"

namespace ekiden::events {

/// An event of one recipient with what the message itself says of it: addresses, subject, tenant,
/// tags, size. Kind, time and what happened are the caller's; without an id it gets one by them.
Event message_event(base::MessageId id, const message::Meta& meta, std::uint32_t recipient);

}  // namespace ekiden::events
