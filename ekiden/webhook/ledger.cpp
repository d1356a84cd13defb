#include "ekiden/webhook/ledger.hpp"

#include <algorithm>
#include <set>

#include "ekiden/account/error.hpp"

namespace ekiden::webhook {
namespace {

constexpr std::int64_t kVersion = 1;

constexpr const char* kCreate =
    "CREATE TABLE progress("
    "  webhook INTEGER, ordered INTEGER, cursor TEXT NOT NULL, pending TEXT NOT NULL,"
    "  is_pending INTEGER NOT NULL, failures INTEGER NOT NULL, failing_since_us INTEGER NOT NULL,"
    "  next_us INTEGER NOT NULL, delivered INTEGER NOT NULL, last_success_us INTEGER NOT NULL,"
    "  PRIMARY KEY(webhook, ordered)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE attempts("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT, webhook INTEGER NOT NULL, time_us INTEGER NOT NULL,"
    "  kind TEXT NOT NULL, batch_id TEXT NOT NULL, first_event TEXT NOT NULL,"
    "  events INTEGER NOT NULL, number INTEGER NOT NULL, status INTEGER NOT NULL,"
    "  is_success INTEGER NOT NULL, duration_us INTEGER NOT NULL, outcome TEXT NOT NULL) STRICT;"
    "CREATE INDEX attempts_by_webhook ON attempts(webhook, id);"
    "PRAGMA application_id=0x656b7768;"  // "ekwh"
    "PRAGMA user_version=1;";

}  // namespace

Result<std::unique_ptr<Ledger>> Ledger::open(const std::string& data_dir, std::string* problem) {
  const std::string path = data_dir + "/webhooks.db";
  std::string words;
  const auto fail = [&](Error error) {
    if (problem != nullptr) *problem = path + ": " + (words.empty() ? error.message() : words);
    return error;
  };
  auto database = account::Database::open(path, &words);
  if (!database) return fail(database.error());
  // A cursor that is lost costs posting again; a sync for each batch would cost more.
  if (const auto set = database->run("PRAGMA synchronous=NORMAL"); !set) return fail(set.error());
  auto transaction = account::Transaction::begin(*database);
  if (!transaction) return fail(transaction.error());
  const auto version = database->integer("PRAGMA user_version");
  if (!version) return fail(version.error());
  if (*version > kVersion) return fail(make_error_code(account::Errc::NewerSchema));
  if (*version == 0) {
    if (const auto made = database->run(kCreate); !made) return fail(made.error());
  }
  if (const auto done = transaction->commit(); !done) return fail(done.error());
  return std::unique_ptr<Ledger>(new Ledger(std::move(*database)));
}

Result<std::optional<Progress>> Ledger::load(std::int64_t webhook, std::int64_t order) {
  const std::lock_guard lock(mutex_);
  auto select = database_.prepare(
      "SELECT cursor, pending, is_pending, failures, failing_since_us, next_us, delivered, "
      "last_success_us FROM progress WHERE webhook=? AND ordered=?");
  if (!select) return select.error();
  const auto row = select->bind(webhook).bind(order).step();
  if (!row) return row.error();
  if (*row == account::Statement::Step::End) return std::optional<Progress>();
  Progress progress;
  const auto cursor = events::parse_cursor(select->text(0));
  const auto pending = events::parse_cursor(select->text(1));
  if (!cursor || !pending) return make_error_code(account::Errc::Corrupt);
  progress.cursor = *cursor;
  if (select->integer(2) != 0) progress.pending = *pending;
  progress.failures = static_cast<std::uint32_t>(select->integer(3));
  progress.failing_since = base::from_unix_us(select->integer(4));
  progress.next = base::from_unix_us(select->integer(5));
  progress.delivered = static_cast<std::uint64_t>(select->integer(6));
  progress.last_success = base::from_unix_us(select->integer(7));
  return std::optional<Progress>(std::move(progress));
}

Result<void> Ledger::put(std::int64_t webhook, std::int64_t order, const Progress& progress) {
  auto insert = database_.prepare("INSERT OR REPLACE INTO progress VALUES(?,?,?,?,?,?,?,?,?,?)");
  if (!insert) return insert.error();
  insert->bind(webhook).bind(order).bind(events::format_cursor(progress.cursor));
  insert->bind(progress.pending ? events::format_cursor(*progress.pending) : "");
  insert->bind(std::int64_t{progress.pending.has_value()});
  insert->bind(std::int64_t{progress.failures}).bind(base::to_unix_us(progress.failing_since));
  insert->bind(base::to_unix_us(progress.next));
  insert->bind(static_cast<std::int64_t>(progress.delivered));
  return insert->bind(base::to_unix_us(progress.last_success)).run();
}

Result<void> Ledger::put(const Attempt& attempt) {
  auto insert = database_.prepare(
      "INSERT INTO attempts(webhook, time_us, kind, batch_id, first_event, events, number, status, "
      "is_success, duration_us, outcome) VALUES(?,?,?,?,?,?,?,?,?,?,?)");
  if (!insert) return insert.error();
  insert->bind(attempt.webhook).bind(base::to_unix_us(attempt.time)).bind(attempt.kind);
  insert->bind(attempt.batch_id).bind(attempt.first_event);
  insert->bind(static_cast<std::int64_t>(attempt.events)).bind(std::int64_t{attempt.number});
  insert->bind(std::int64_t{attempt.status}).bind(std::int64_t{attempt.is_success});
  if (const auto done = insert->bind(attempt.duration.count()).bind(attempt.outcome).run(); !done) {
    return done;
  }
  auto forget = database_.prepare(
      "DELETE FROM attempts WHERE webhook=?1 AND id<=(SELECT id FROM attempts WHERE webhook=?1 "
      "ORDER BY id DESC LIMIT 1 OFFSET ?2)");
  if (!forget) return forget.error();
  if (const auto done = forget->bind(attempt.webhook).bind(kAttemptsMax).run(); !done) return done;
  if (attempts_kept_ == base::Duration::max()) return {};
  auto age = database_.prepare("DELETE FROM attempts WHERE webhook=? AND time_us<?");
  if (!age) return age.error();
  return age->bind(attempt.webhook).bind(base::to_unix_us(attempt.time - attempts_kept_)).run();
}

Result<void> Ledger::keep_attempts(base::Duration kept, base::Time now) {
  const std::lock_guard lock(mutex_);
  attempts_kept_ = kept;
  auto age = database_.prepare("DELETE FROM attempts WHERE time_us<?");
  if (!age) return age.error();
  return age->bind(base::to_unix_us(now - kept)).run();
}

Result<void> Ledger::save(std::int64_t webhook, std::int64_t order, const Progress& progress) {
  const std::lock_guard lock(mutex_);
  return put(webhook, order, progress);
}

Result<void> Ledger::record(std::int64_t order, const Progress& progress, const Attempt& attempt) {
  const std::lock_guard lock(mutex_);
  auto transaction = account::Transaction::begin(database_);
  if (!transaction) return transaction.error();
  if (const auto done = put(attempt.webhook, order, progress); !done) return done;
  if (const auto done = put(attempt); !done) return done;
  return transaction->commit();
}

Result<void> Ledger::record_attempt(const Attempt& attempt) {
  const std::lock_guard lock(mutex_);
  return put(attempt);
}

Result<void> Ledger::forget_order(std::int64_t webhook, std::int64_t order) {
  const std::lock_guard lock(mutex_);
  auto forget = database_.prepare("DELETE FROM progress WHERE webhook=? AND ordered=?");
  if (!forget) return forget.error();
  return forget->bind(webhook).bind(order).run();
}

Result<void> Ledger::forget_others(const std::vector<std::int64_t>& webhooks) {
  const std::lock_guard lock(mutex_);
  std::set<std::int64_t> gone;
  auto select =
      database_.prepare("SELECT webhook FROM progress UNION SELECT DISTINCT webhook FROM attempts");
  if (!select) return select.error();
  while (true) {
    const auto row = select->step();
    if (!row) return row.error();
    if (*row == account::Statement::Step::End) break;
    gone.insert(select->integer(0));
  }
  for (const std::int64_t webhook : webhooks) gone.erase(webhook);
  for (const std::int64_t webhook : gone) {
    for (const char* sql :
         {"DELETE FROM progress WHERE webhook=?", "DELETE FROM attempts WHERE webhook=?"}) {
      auto erase = database_.prepare(sql);
      if (!erase) return erase.error();
      if (const auto done = erase->bind(webhook).run(); !done) return done;
    }
  }
  return {};
}

Result<std::vector<Attempt>> Ledger::attempts(std::int64_t webhook, std::size_t count) {
  const std::lock_guard lock(mutex_);
  auto select = database_.prepare(
      "SELECT id, webhook, time_us, kind, batch_id, first_event, events, number, status, "
      "is_success, duration_us, outcome FROM attempts WHERE webhook=? ORDER BY id DESC LIMIT ?");
  if (!select) return select.error();
  select->bind(webhook).bind(static_cast<std::int64_t>(count));
  std::vector<Attempt> attempts;
  while (true) {
    const auto row = select->step();
    if (!row) return row.error();
    if (*row == account::Statement::Step::End) return attempts;
    Attempt attempt;
    attempt.id = select->integer(0);
    attempt.webhook = select->integer(1);
    attempt.time = base::from_unix_us(select->integer(2));
    attempt.kind = select->text(3);
    attempt.batch_id = select->text(4);
    attempt.first_event = select->text(5);
    attempt.events = static_cast<std::uint64_t>(select->integer(6));
    attempt.number = static_cast<std::uint32_t>(select->integer(7));
    attempt.status = static_cast<unsigned>(select->integer(8));
    attempt.is_success = select->integer(9) != 0;
    attempt.duration = base::Duration(select->integer(10));
    attempt.outcome = select->text(11);
    attempts.push_back(std::move(attempt));
  }
}

}  // namespace ekiden::webhook
