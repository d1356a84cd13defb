#include "ekiden/events/sqlite.hpp"

namespace ekiden::events {
namespace {

// A reader may meet the writer at a checkpoint or while it opens the file.
constexpr int kBusyTimeoutMs = 5'000;

}  // namespace

Error error_of(int code) {
  switch (code & 0xff) {
    case SQLITE_FULL:
      return Errc::NoSpace;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_ERROR:  // A statement that does not fit the schema: not our file.
    case SQLITE_MISMATCH:
      return Errc::Corrupt;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return Errc::Busy;
    default:
      return Errc::Io;
  }
}

Result<void> Statement::run() {
  const int code = step();
  reset();
  if (code != SQLITE_DONE && code != SQLITE_ROW) return error_of(code);
  return {};
}

Result<Database> Database::open(const std::string& path, Access access) {
  int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI | SQLITE_OPEN_EXRESCODE;
  std::string name = path;
  if (access == Access::ReadWrite) {
    flags |= SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  } else {
    flags |= SQLITE_OPEN_READONLY;
    if (access == Access::Immutable) name = "file:" + path + "?immutable=1";
  }
  sqlite3* database = nullptr;
  const int code = sqlite3_open_v2(name.c_str(), &database, flags, nullptr);
  Database opened(database);
  if (code != SQLITE_OK) return error_of(code);
  sqlite3_busy_timeout(database, kBusyTimeoutMs);
  return opened;
}

Result<void> Database::execute(const char* sql) {
  const int code = sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return error_of(code);
  return {};
}

Result<Statement> Database::prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(database_.get(), sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (code != SQLITE_OK) return error_of(code);
  return Statement(statement);
}

Result<std::int64_t> Database::integer(std::string_view sql) {
  Result<Statement> statement = prepare(sql);
  if (!statement) return statement.error();
  const int code = statement->step();
  if (code == SQLITE_DONE) return 0;
  if (code != SQLITE_ROW) return error_of(code);
  return statement->integer(0);
}

}  // namespace ekiden::events
