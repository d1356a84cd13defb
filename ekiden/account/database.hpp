#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "ekiden/base/result.hpp"

namespace ekiden::account {

/// One prepared statement of SQLite: bind in order, then step.
class Statement {
 public:
  Statement(Statement&&) = default;
  Statement& operator=(Statement&&) = default;

  Statement& bind(std::int64_t value);
  Statement& bind(std::string_view text);
  Statement& bind_octets(std::string_view octets);
  /// NULL when empty.
  Statement& bind_or_null(std::string_view text);

  enum class Step { Row, End };
  Result<Step> step();
  /// Steps to the end, dropping rows.
  Result<void> run();

  /// Ready to bind and step again.
  void reset();

  std::int64_t integer(int column) const;
  /// Valid until the next step.
  std::string_view text(int column) const;

 private:
  friend class Database;
  struct Finalize {
    void operator()(sqlite3_stmt* s) const { sqlite3_finalize(s); }
  };
  Statement(sqlite3* db, sqlite3_stmt* statement) : db_(db), statement_(statement) {}
  sqlite3* db_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  int bound_ = 0;
};

/// One connection to an SQLite file, in WAL mode, synced at each commit.
///
/// Errors: Errc::Busy, Corrupt, Unavailable; a broken constraint is Unavailable too, because the
/// store looks before it writes.
/// Sharing: one thread at a time.
class Database {
 public:
  /// Creates the file with mode 0600. `problem`, when given, takes SQLite's words on failure.
  static Result<Database> open(const std::string& path, std::string* problem = nullptr);

  /// `sql` must be a literal of ours.
  Result<Statement> prepare(std::string_view sql);
  Result<void> run(const std::string& sql);
  Result<std::int64_t> integer(std::string_view sql);
  std::int64_t last_row_id() const { return sqlite3_last_insert_rowid(db_.get()); }
  /// So that `last_row_id` tells whether the next statement inserts.
  void forget_last_row_id() { sqlite3_set_last_insert_rowid(db_.get(), 0); }
  /// Of all statements on this connection.
  std::int64_t all_rows_changed() const { return sqlite3_total_changes64(db_.get()); }
  std::int64_t rows_changed() const { return sqlite3_changes64(db_.get()); }

 private:
  struct Close {
    void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
  };
  explicit Database(sqlite3* db) : db_(db) {}
  std::unique_ptr<sqlite3, Close> db_;
};

/// A write transaction, rolled back unless committed.
class Transaction {
 public:
  static Result<Transaction> begin(Database& database);
  Transaction(Transaction&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();
  Result<void> commit();

 private:
  explicit Transaction(Database* database) : database_(database) {}
  Database* database_;
};

}  // namespace ekiden::account
