#pragma once

#include <boost/json/object.hpp>
#include <optional>

#include "ekiden/events/event.hpp"

namespace ekiden::events {

/// The metadata of an event's message, read; nothing when it has none, or none that is an object.
std::optional<boost::json::object> metadata_of(const Event& event);

}  // namespace ekiden::events
