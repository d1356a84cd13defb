#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <string>

#include "ekiden/base/ids.hpp"

namespace ekiden::cli {

/// What the event store knows of a message, in the shape of "message.show" (docs/CONTROL.md): its
/// envelope from the events of its acceptance, and for each recipient its newest state. Nothing
/// when it knows nothing, or cannot be read.
std::optional<boost::json::object> message_from_events(const std::string& events_directory,
                                                       base::MessageId message);

/// Puts the final disposition in the place of states that `view` leaves open, as far as the event
/// store knows it.
void complete_from_events(const std::string& events_directory, base::MessageId message,
                          boost::json::object& view);

}  // namespace ekiden::cli
