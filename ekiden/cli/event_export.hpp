#pragma once

#include <string>

#include "ekiden/events/event.hpp"

namespace ekiden::cli {

/// The first line of an export as CSV, with its CRLF (RFC 4180).
std::string event_csv_head();
/// One event as a line of it. Text that a spreadsheet would take for a formula begins with an
/// apostrophe: subjects and replies are written by strangers.
std::string event_csv_line(const events::Event& event);

}  // namespace ekiden::cli
