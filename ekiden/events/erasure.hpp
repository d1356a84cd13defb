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
/// Of events that have no index yet (the newest thousand at most) the writing process still holds
/// a hash of the address, and writes it with their index; a second run after that erases it.
///
/// Errors: Errc::Io, Busy, NoSpace; files before the failing one are done, run it again. Blocks.
Result<std::uint64_t> erase_recipient(const std::string& directory, const std::string& recipient);

}  // namespace ekiden::events
