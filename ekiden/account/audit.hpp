#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "ekiden/account/database.hpp"
#include "ekiden/base/time.hpp"

namespace ekiden::account {

/// One change: who made it, from where, and what it was.
struct AuditEntry {
  base::Time time;
  std::string author, action, subject, detail;
  std::string before, after;  ///< what was changed, in words or as JSON, where there is something
  std::string origin;         ///< where the author was: a terminal, an address
  std::int64_t id = 0;
  std::string hash;  ///< of this entry and the hash before it, 64 hexadecimal digits
};

/// What the hash of the first entry covers in the place of an entry before it.
std::string audit_beginning();
/// SHA-256 over the hash before and every field, each with its length, so that none can pass for
/// part of another.
std::string audit_hash(std::string_view before, const AuditEntry& entry);

/// What reading the whole log found.
struct AuditCheck {
  std::uint64_t entries = 0;
  std::string head;       ///< the newest entry's hash; keep it elsewhere and ask for it later
  bool has_head = false;  ///< the hash that was asked for is one of the log's
  std::int64_t broken_at =
      0;  ///< the first entry that was changed or follows a missing one; 0: none
  std::string problem;
};

/// Adds an entry to the end; its id and hash are not read. Inside the caller's transaction.
Result<void> append_audit(Database& database, const AuditEntry& entry);
/// Reads everything, in memory for one entry. `head`: a hash that was noted before, or empty.
Result<AuditCheck> check_audit(Database& database, std::string_view head);
/// Gives the entries of an older version their hashes. Inside a transaction.
Result<void> chain_audit(Database& database);

}  // namespace ekiden::account
