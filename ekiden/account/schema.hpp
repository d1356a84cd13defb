#pragma once

#include <span>

#include "ekiden/account/database.hpp"
#include "ekiden/base/time.hpp"

namespace ekiden::account {

/// Brings the tables of the control store to the newest version, each step in one transaction.
/// PRAGMA user_version counts the steps done.
/// Errors: NewerSchema, Corrupt (a file of another program), and those of Database.
Result<void> migrate_schema(Database& database, base::Time now);

}  // namespace ekiden::account
