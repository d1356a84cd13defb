#pragma once

#include <string>

#include "ekiden/archive/copies.hpp"
#include "ekiden/events/day_file.hpp"
#include "ekiden/events/sqlite.hpp"

namespace ekiden::archive {

/// Of one day's file, in SQLite: `copies(id, sealed)`, and `recipients(hash, id)` for erasure.
inline constexpr std::int64_t kApplicationId = 0x656b6172;  // "ekar"
inline constexpr std::int64_t kLayoutVersion = 1;

/// The day of a message's acceptance, which its id tells.
events::Day day_of(base::MessageId id);
/// "2026-11-22", which the day's key is made of.
std::string name_of(events::Day day);
std::string path_of(const std::string& directory, events::Day day);

std::string pack(base::MessageId id);
/// What is sealed: the length of the meta, the meta, the octets.
std::string pack(std::string_view meta, std::string_view octets);

/// Opens a day's file for writing, and makes it, mode 0600, when there is none.
Result<events::Database> open_day(const std::string& path);
/// Errors: events::Errc::Corrupt for a file of another program or layout.
Result<void> check_day(events::Database& database);

}  // namespace ekiden::archive
