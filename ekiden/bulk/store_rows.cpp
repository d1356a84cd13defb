// Recipients of jobs that are drafts, their imports, and the numbers of single messages; see
// store.cpp for what holds of all of it.
#include "ekiden/bulk/store.hpp"

#include <string>
#include <utility>

#include "ekiden/bulk/job_id.hpp"

namespace ekiden::bulk {
namespace {

using account::Statement;

Row row_of(const Statement& row) {
  return {row.integer(0), row.integer(1), std::string(row.text(2)), std::string(row.text(3))};
}

Changed changed(const account::Database& database) {
  return database.rows_changed() > 0 ? Changed::Yes : Changed::No;
}

}  // namespace

Result<Store::AddedRows> Store::add_rows(std::int64_t job, std::int64_t import,
                                         const std::vector<Row>& rows) {
  const std::lock_guard lock(mutex_);
  auto transaction = account::Transaction::begin(database_);
  if (!transaction) return transaction.error();
  AddedRows added;
  auto select = database_.prepare("SELECT rows FROM jobs WHERE id=? AND state=0");
  if (!select) return select.error();
  const auto step = select->bind(job).step();
  if (!step) return step.error();
  added.is_draft = *step == Statement::Step::Row;
  if (!added.is_draft) return added;
  const auto before = static_cast<std::uint64_t>(select->integer(0));
  select->reset();
  auto insert = database_.prepare(
      "INSERT OR IGNORE INTO rows(job, import, address, data) VALUES(?1, ?2, ?3, ?4)");
  if (!insert) return insert.error();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (before + added.taken >= kRowsMax) {
      added.over.push_back(i);
      continue;
    }
    insert->bind(job).bind(import).bind(rows[i].address).bind(rows[i].data);
    if (const auto done = insert->run(); !done) return done.error();
    if (database_.rows_changed() == 0)
      added.known.push_back(i);
    else
      ++added.taken;
    insert->reset();
  }
  auto update = database_.prepare("UPDATE jobs SET rows=rows+? WHERE id=?");
  if (!update) return update.error();
  update->bind(static_cast<std::int64_t>(added.taken)).bind(job);
  if (const auto done = update->run(); !done) return done.error();
  if (const auto done = transaction->commit(); !done) return done.error();
  return added;
}

Result<std::vector<Row>> Store::rows(std::int64_t job, std::int64_t after, std::size_t limit) {
  const std::lock_guard lock(mutex_);
  auto select = database_.prepare(
      "SELECT id, job, address, data FROM rows WHERE job=? AND id>? ORDER BY id LIMIT ?");
  if (!select) return select.error();
  select->bind(job).bind(after).bind(static_cast<std::int64_t>(limit));
  std::vector<Row> rows;
  while (true) {
    const auto step = select->step();
    if (!step) return step.error();
    if (*step == Statement::Step::End) return rows;
    rows.push_back(row_of(*select));
  }
}

Result<std::optional<Row>> Store::row(std::int64_t id) {
  const std::lock_guard lock(mutex_);
  auto select = database_.prepare("SELECT id, job, address, data FROM rows WHERE id=?");
  if (!select) return select.error();
  const auto step = select->bind(id).step();
  if (!step) return step.error();
  if (*step == Statement::Step::End) return std::optional<Row>();
  return std::optional<Row>(row_of(*select));
}

Result<std::optional<Row>> Store::find_row(std::int64_t job, std::string_view address) {
  const std::lock_guard lock(mutex_);
  auto select =
      database_.prepare("SELECT id, job, address, data FROM rows WHERE job=? AND address=?");
  if (!select) return select.error();
  const auto step = select->bind(job).bind(address).step();
  if (!step) return step.error();
  if (*step == Statement::Step::End) return std::optional<Row>();
  return std::optional<Row>(row_of(*select));
}

Result<Changed> Store::set_row(const Row& row) {
  const std::lock_guard lock(mutex_);
  auto update = database_.prepare(
      "UPDATE OR IGNORE rows SET address=?, data=? WHERE id=? AND "
      "EXISTS (SELECT 1 FROM jobs WHERE id=rows.job AND state=0)");
  if (!update) return update.error();
  update->bind(row.address).bind(row.data).bind(row.id);
  if (const auto done = update->run(); !done) return done.error();
  return changed(database_);
}

Result<Changed> Store::remove_row(std::int64_t id) {
  const std::lock_guard lock(mutex_);
  auto transaction = account::Transaction::begin(database_);
  if (!transaction) return transaction.error();
  auto erase = database_.prepare(
      "DELETE FROM rows WHERE id=? AND EXISTS (SELECT 1 FROM jobs WHERE id=rows.job AND state=0) "
      "RETURNING job");
  if (!erase) return erase.error();
  const auto step = erase->bind(id).step();
  if (!step) return step.error();
  if (*step == Statement::Step::End) return Changed::No;
  const std::int64_t job = erase->integer(0);
  erase->reset();
  auto update = database_.prepare("UPDATE jobs SET rows=rows-1 WHERE id=?");
  if (!update) return update.error();
  if (const auto done = update->bind(job).run(); !done) return done.error();
  if (const auto done = transaction->commit(); !done) return done.error();
  return Changed::Yes;
}

Result<Changed> Store::remove_rows(std::int64_t job, std::size_t count_max) {
  const std::lock_guard lock(mutex_);
  auto transaction = account::Transaction::begin(database_);
  if (!transaction) return transaction.error();
  auto erase =
      database_.prepare("DELETE FROM rows WHERE id IN (SELECT id FROM rows WHERE job=? LIMIT ?)");
  if (!erase) return erase.error();
  erase->bind(job).bind(static_cast<std::int64_t>(count_max));
  if (const auto done = erase->run(); !done) return done.error();
  const Changed any = changed(database_);
  auto update = database_.prepare("UPDATE jobs SET rows=max(0, rows-?) WHERE id=? AND state=0");
  if (!update) return update.error();
  update->bind(database_.rows_changed()).bind(job);
  if (const auto done = update->run(); !done) return done.error();
  if (const auto done = transaction->commit(); !done) return done.error();
  return any;
}

Result<std::vector<std::int64_t>> Store::jobs_with_rows_left() {
  const std::lock_guard lock(mutex_);
  auto select = database_.prepare(
      "SELECT DISTINCT job FROM rows WHERE job NOT IN (SELECT id FROM jobs WHERE state<=2)");
  if (!select) return select.error();
  std::vector<std::int64_t> jobs;
  while (true) {
    const auto step = select->step();
    if (!step) return step.error();
    if (*step == Statement::Step::End) return jobs;
    jobs.push_back(select->integer(0));
  }
}

Result<std::uint64_t> Store::erase(std::string_view address, std::string_view shown) {
  const std::lock_guard lock(mutex_);
  if (const auto wiped = database_.run("PRAGMA secure_delete=ON"); !wiped) return wiped.error();
  auto transaction = account::Transaction::begin(database_);
  if (!transaction) return transaction.error();
  auto count = database_.prepare(
      "UPDATE jobs SET rows=rows-1 WHERE state<=2 AND id IN (SELECT job FROM rows WHERE "
      "address=?)");
  if (!count) return count.error();
  if (const auto done = count->bind(address).run(); !done) return done.error();
  auto erase = database_.prepare("DELETE FROM rows WHERE address=?");
  if (!erase) return erase.error();
  if (const auto done = erase->bind(address).run(); !done) return done.error();
  auto erased = static_cast<std::uint64_t>(database_.rows_changed());
  auto lines = database_.prepare("DELETE FROM import_errors WHERE address=? COLLATE NOCASE");
  if (!lines) return lines.error();
  if (const auto done = lines->bind(shown).run(); !done) return done.error();
  erased += static_cast<std::uint64_t>(database_.rows_changed());
  if (const auto done = transaction->commit(); !done) return done.error();
  // The log of changes forgets it too; where a relay is reading just now, with its own next turn.
  (void)database_.run("PRAGMA wal_checkpoint(TRUNCATE)");
  return erased;
}

Result<std::int64_t> Store::begin_import(std::int64_t job, base::Time now) {
  const std::lock_guard lock(mutex_);
  auto insert = database_.prepare(
      "INSERT INTO imports(job, is_done, taken, refused, lines, created_us) VALUES(?,0,0,0,0,?)");
  if (!insert) return insert.error();
  if (const auto done = insert->bind(job).bind(base::to_unix_us(now)).run(); !done)
    return done.error();
  return database_.last_row_id();
}

Result<void> Store::note_import(std::int64_t import, std::uint64_t taken, std::uint64_t lines,
                                const std::vector<ImportError>& errors, bool is_done) {
  const std::lock_guard lock(mutex_);
  auto transaction = account::Transaction::begin(database_);
  if (!transaction) return transaction.error();
  auto insert = database_.prepare(
      "INSERT OR IGNORE INTO import_errors SELECT ?1,?2,?3,?4,?5 WHERE "
      "(SELECT refused FROM imports WHERE id=?1)<?6");
  if (!insert) return insert.error();
  for (const ImportError& error : errors) {
    insert->bind(import).bind(static_cast<std::int64_t>(error.line)).bind(error.address);
    insert->bind(error.code).bind(error.text);
    const auto done = insert->bind(static_cast<std::int64_t>(kImportErrorsMax)).run();
    if (!done) return done.error();
    insert->reset();
  }
  auto update = database_.prepare(
      "UPDATE imports SET taken=taken+?, refused=refused+?, lines=lines+?, is_done=? WHERE id=?");
  if (!update) return update.error();
  update->bind(static_cast<std::int64_t>(taken)).bind(static_cast<std::int64_t>(errors.size()));
  update->bind(static_cast<std::int64_t>(lines)).bind(std::int64_t{is_done}).bind(import);
  if (const auto done = update->run(); !done) return done.error();
  return transaction->commit();
}

Result<void> Store::drop_import(std::int64_t import) {
  const std::lock_guard lock(mutex_);
  auto transaction = account::Transaction::begin(database_);
  if (!transaction) return transaction.error();
  const std::string id = std::to_string(import);
  const std::string job = "(SELECT job FROM imports WHERE id=" + id + ")";
  const Result<void> dropped = database_.run(
      "DELETE FROM rows WHERE job=" + job + " AND import=" + id +
      ";UPDATE jobs SET rows=(SELECT count(*) FROM rows WHERE job=jobs.id) WHERE id=" + job +
      " AND state=0;DELETE FROM import_errors WHERE import=" + id +
      ";DELETE FROM imports WHERE id=" + id);
  if (!dropped) return dropped.error();
  return transaction->commit();
}

Result<std::optional<Import>> Store::find_import(std::int64_t import) {
  const std::lock_guard lock(mutex_);
  auto select =
      database_.prepare("SELECT id, job, is_done, taken, refused, lines FROM imports WHERE id=?");
  if (!select) return select.error();
  const auto step = select->bind(import).step();
  if (!step) return step.error();
  if (*step == Statement::Step::End) return std::optional<Import>();
  const auto count = [&](int column) {
    return static_cast<std::uint64_t>(select->integer(column));
  };
  return std::optional<Import>(Import{select->integer(0), select->integer(1),
                                      select->integer(2) != 0, count(3), count(4), count(5)});
}

Result<std::vector<ImportError>> Store::import_errors(std::int64_t import, std::uint64_t after_line,
                                                      std::size_t limit) {
  const std::lock_guard lock(mutex_);
  auto select = database_.prepare(
      "SELECT line, address, code, text FROM import_errors WHERE import=? AND line>? "
      "ORDER BY line LIMIT ?");
  if (!select) return select.error();
  select->bind(import).bind(static_cast<std::int64_t>(after_line));
  select->bind(static_cast<std::int64_t>(limit));
  std::vector<ImportError> errors;
  while (true) {
    const auto step = select->step();
    if (!step) return step.error();
    if (*step == Statement::Step::End) return errors;
    errors.push_back({static_cast<std::uint64_t>(select->integer(0)), std::string(select->text(1)),
                      std::string(select->text(2)), std::string(select->text(3))});
  }
}

Result<void> Store::remember_delivery(std::int64_t id, const Delivery& delivery) {
  const std::lock_guard lock(mutex_);
  auto insert = database_.prepare("INSERT OR IGNORE INTO deliveries VALUES(?,?,?,?)");
  if (!insert) return insert.error();
  insert->bind(id).bind(delivery.tenant).bind(base::format_message_id(delivery.message));
  return insert->bind(base::to_unix_us(delivery.created)).run();
}

Result<std::optional<Store::Delivery>> Store::find_delivery(std::int64_t id,
                                                            std::string_view tenant) {
  const std::lock_guard lock(mutex_);
  auto select = database_.prepare(
      "SELECT tenant, message, created_us FROM deliveries WHERE id=? AND tenant=?");
  if (!select) return select.error();
  const auto step = select->bind(id).bind(tenant).step();
  if (!step) return step.error();
  if (*step == Statement::Step::End) return std::optional<Delivery>();
  const auto message = base::parse_message_id(select->text(1));
  if (!message) return std::optional<Delivery>();
  return std::optional<Delivery>(
      Delivery{std::string(select->text(0)), *message, base::from_unix_us(select->integer(2))});
}

Result<std::int64_t> Store::add_report(const Report& report) {
  const std::lock_guard lock(mutex_);
  auto transaction = account::Transaction::begin(database_);
  if (!transaction) return transaction.error();
  auto insert =
      database_.prepare("INSERT INTO reports(tenant, kind, question, created_us) VALUES(?,?,?,?)");
  if (!insert) return insert.error();
  insert->bind(report.tenant).bind(report.kind).bind(report.question);
  if (const auto done = insert->bind(base::to_unix_us(report.created)).run(); !done)
    return done.error();
  const std::int64_t id = database_.last_row_id();
  auto erase = database_.prepare(
      "DELETE FROM reports WHERE tenant=?1 AND id<=(SELECT id FROM reports WHERE tenant=?1 "
      "ORDER BY id DESC LIMIT 1 OFFSET ?2)");
  if (!erase) return erase.error();
  if (const auto done = erase->bind(report.tenant).bind(kReportsMax).run(); !done)
    return done.error();
  if (const auto done = transaction->commit(); !done) return done.error();
  return id;
}

Result<std::optional<Store::Report>> Store::find_report(std::int64_t id, std::string_view tenant,
                                                        std::string_view kind) {
  const std::lock_guard lock(mutex_);
  auto select = database_.prepare(
      "SELECT question, created_us FROM reports WHERE id=? AND tenant=? AND kind=?");
  if (!select) return select.error();
  const auto step = select->bind(id).bind(tenant).bind(kind).step();
  if (!step) return step.error();
  if (*step == Statement::Step::End) return std::optional<Report>();
  return std::optional<Report>(Report{id, std::string(tenant), std::string(kind),
                                      std::string(select->text(0)),
                                      base::from_unix_us(select->integer(1))});
}

}  // namespace ekiden::bulk
