#include "ekiden/account/database.hpp"

#include <utility>

#include "ekiden/account/error.hpp"
#include "ekiden/base/assert.hpp"
#include "ekiden/base/log.hpp"
#include "ekiden/base/private_file.hpp"

namespace ekiden::account {
namespace {

// A command waits this long for a node that writes, and the other way round.
constexpr int kBusyTimeoutMs = 5000;

Error error_of(sqlite3* db, int code) {
  const char* words = db != nullptr ? sqlite3_errmsg(db) : sqlite3_errstr(code);
  base::log::debug("control_store_error", {{"reason", words}});
  switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return make_error_code(Errc::Busy);
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
      return make_error_code(Errc::Corrupt);
    default:
      return make_error_code(Errc::Unavailable);
  }
}

}  // namespace

Statement& Statement::bind(std::int64_t value) {
  sqlite3_bind_int64(statement_.get(), ++bound_, value);
  return *this;
}

Statement& Statement::bind(std::string_view text) {
  // A null pointer would bind NULL.
  sqlite3_bind_text64(statement_.get(), ++bound_, text.empty() ? "" : text.data(), text.size(),
                      SQLITE_TRANSIENT, SQLITE_UTF8);
  return *this;
}

Statement& Statement::bind_octets(std::string_view octets) {
  sqlite3_bind_blob64(statement_.get(), ++bound_, octets.empty() ? "" : octets.data(),
                      octets.size(), SQLITE_TRANSIENT);
  return *this;
}

Statement& Statement::bind_or_null(std::string_view text) {
  if (!text.empty()) return bind(text);
  sqlite3_bind_null(statement_.get(), ++bound_);
  return *this;
}

Result<Statement::Step> Statement::step() {
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return Step::Row;
  if (code == SQLITE_DONE) return Step::End;
  return error_of(db_, code);
}

Result<void> Statement::run() {
  while (true) {
    const Result<Step> row = step();
    if (!row) return row.error();
    if (*row == Step::End) return {};
  }
}

void Statement::reset() {
  sqlite3_reset(statement_.get());
  bound_ = 0;
}

std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}

std::string_view Statement::text(int column) const {
  const void* octets = sqlite3_column_blob(statement_.get(), column);
  if (octets == nullptr) return {};
  return {static_cast<const char*>(octets),
          static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

Result<Database> Database::open(const std::string& path, std::string* problem) {
  const auto fail = [problem](Error error, std::string_view words) {
    if (problem != nullptr) *problem = words;
    return error;
  };
  if (const auto file = base::ensure_private_file(path); !file) {
    return fail(make_error_code(Errc::Unavailable), file.error().message());
  }
  sqlite3* db = nullptr;
  const int code =
      sqlite3_open_v2(path.c_str(), &db,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nullptr);
  Database database(db);
  if (code != SQLITE_OK) return fail(error_of(db, code), sqlite3_errmsg(db));
  sqlite3_busy_timeout(db, kBusyTimeoutMs);
  // FULL: a credential that was reported as added survives a power cut, and a removed one stays
  // removed. trusted_schema: a tampered file runs no functions.
  const auto set = database.run(
      "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
      "PRAGMA trusted_schema=OFF; PRAGMA journal_size_limit=4194304;");
  if (!set) return fail(set.error(), sqlite3_errmsg(db));
  return database;
}

Result<Statement> Database::prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  const int code =
      sqlite3_prepare_v2(db_.get(), sql.data(), static_cast<int>(sql.size()), &statement, nullptr);
  if (code != SQLITE_OK) return error_of(db_.get(), code);
  return Statement(db_.get(), statement);
}

Result<void> Database::run(const std::string& sql) {
  const int code = sqlite3_exec(db_.get(), sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return error_of(db_.get(), code);
  return {};
}

Result<std::int64_t> Database::integer(std::string_view sql) {
  auto statement = prepare(sql);
  if (!statement) return statement.error();
  const auto row = statement->step();
  if (!row) return row.error();
  return *row == Statement::Step::Row ? statement->integer(0) : 0;
}

Result<Transaction> Transaction::begin(Database& database) {
  // IMMEDIATE takes the write lock now: what is read inside is still true at the commit.
  if (const auto begun = database.run("BEGIN IMMEDIATE"); !begun) return begun.error();
  return Transaction(&database);
}

Transaction::~Transaction() {
  if (database_ != nullptr) (void)database_->run("ROLLBACK");
}

Result<void> Transaction::commit() {
  EKIDEN_ASSERT(database_ != nullptr, "a transaction is committed once");
  const auto done = database_->run("COMMIT");
  if (done) database_ = nullptr;
  return done;
}

}  // namespace ekiden::account
