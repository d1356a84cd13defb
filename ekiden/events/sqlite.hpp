#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "ekiden/base/result.hpp"
#include "ekiden/events/error.hpp"

namespace ekiden::events {

/// The Errc that an SQLite result code, extended or not, stands for.
Error error_of(int code);

/// One prepared statement. Parameters and columns count as in SQLite: from 1, from 0.
///
/// After `step` gave a result code other than SQLITE_ROW, or after `reset`, it can be run again.
class Statement {
 public:
  Statement() = default;
  explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}

  Statement& bind(int index, std::int64_t value) {
    sqlite3_bind_int64(statement_.get(), index, value);
    return *this;
  }
  /// The octets must stay until the statement is reset.
  Statement& bind_blob(int index, std::string_view octets) {
    // Nothing is no octets, not NULL.
    const char* const data = octets.data() == nullptr ? "" : octets.data();
    sqlite3_bind_blob64(statement_.get(), index, data, octets.size(), SQLITE_STATIC);
    return *this;
  }
  int step() { return sqlite3_step(statement_.get()); }
  void reset() { sqlite3_reset(statement_.get()); }
  /// Steps a statement that gives no row.
  Result<void> run();

  std::int64_t integer(int column) { return sqlite3_column_int64(statement_.get(), column); }
  /// Valid until the next step or reset.
  std::string_view blob(int column) {
    const void* const data = sqlite3_column_blob(statement_.get(), column);
    const int size = sqlite3_column_bytes(statement_.get(), column);
    return {static_cast<const char*>(data), static_cast<std::size_t>(size)};
  }

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

/// One connection to one database file. Sharing: one thread at a time.
class Database {
 public:
  enum class Access { ReadWrite, ReadOnly, Immutable };
  /// Errors: Errc::Io for a file that cannot be opened, a missing one included.
  static Result<Database> open(const std::string& path, Access access);

  Result<void> execute(const char* sql);
  /// Errors: Errc::Corrupt when the schema is not ours, else as SQLite says.
  Result<Statement> prepare(std::string_view sql);
  /// The first column of the first row; zero when there is none.
  Result<std::int64_t> integer(std::string_view sql);

 private:
  struct Close {
    void operator()(sqlite3* database) const { sqlite3_close_v2(database); }
  };
  explicit Database(sqlite3* database) : database_(database) {}
  std::unique_ptr<sqlite3, Close> database_;
};

}  // namespace ekiden::events
