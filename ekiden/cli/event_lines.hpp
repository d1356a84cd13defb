#pragma once

#include <string>

#include "ekiden/events/event.hpp"

namespace ekiden::cli {

/// One event as one line for people: time, kind, recipient, where, reply.
std::string event_line(const events::Event& event);
/// What was said in the attempt, indented, a line each; empty when it is not known.
std::string transcript_lines(const events::Event& event);

}  // namespace ekiden::cli
