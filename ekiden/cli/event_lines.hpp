#pragma once

#include <string>

#include "ekiden/events/event.hpp"

namespace ekiden::cli {

/// One event as one line for people: time, kind, recipient, where, reply.
std::string event_line(const events::Event& event);

}  // namespace ekiden::cli
