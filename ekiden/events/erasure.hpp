#pragma once

#include <cstdint>
#include <string>

#include "ekiden/base/result.hpp"
#include "ekiden/events/event.hpp"

namespace ekiden::events {

/// The same event without what tells of a person: of whom, from whom, about what, and words of
/// replies, which name addresses. What happened, when, by which route and with which code stays,
/// so that counts and the life of a message stay true.
Event without_person(Event event);

/// Erases `recipient` from all events of the store, while it is being written or not: each event
/// becomes without_person() of itself, the entries that found it by address go, and SQLite wipes
/// what it frees. The numbers of events and cursors stay. Gives how many there were.
///
/// A process that writes the store learns of it before its next batch, and forgets what it had in
/// memory of the events that have no index yet.
///
/// Errors: Errc::Io, Busy, NoSpace; files before the failing one are done, run it again. Blocks.
Result<std::uint64_t> erase_recipient(const std::string& directory, const std::string& recipient);

}  // namespace ekiden::events
