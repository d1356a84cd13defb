// Invariants:
// - Rows exist for drafts and jobs that are scheduled or launching; others' are on their way out.
// - `rows` of a job is the number of its rows as long as it has them here.
// - The position of the events' reader and what it counted change in one transaction.
#include "ekiden/bulk/store.hpp"

#include <array>
#include <utility>

#include "ekiden/base/text.hpp"

namespace ekiden::bulk {
namespace {

using account::Statement;

constexpr std::int64_t kApplicationId = 0x656b6a6f;  // "ekjo"

constexpr const char* kSchema = R"(
CREATE TABLE IF NOT EXISTS jobs(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant TEXT NOT NULL, name TEXT NOT NULL, stream TEXT NOT NULL,
  state INTEGER NOT NULL, origin INTEGER NOT NULL,
  content TEXT NOT NULL, identity TEXT NOT NULL, sender_domains TEXT NOT NULL,
  client_address TEXT NOT NULL,
  token TEXT UNIQUE,
  message_high INTEGER NOT NULL, message_low INTEGER NOT NULL,
  rows INTEGER NOT NULL,
  created_us INTEGER NOT NULL, changed_us INTEGER NOT NULL, committed_us INTEGER NOT NULL,
  send_at_us INTEGER NOT NULL,
  note TEXT NOT NULL,
  accepted INTEGER NOT NULL DEFAULT 0, rejected INTEGER NOT NULL DEFAULT 0,
  delivered INTEGER NOT NULL DEFAULT 0, bounced INTEGER NOT NULL DEFAULT 0,
  expired INTEGER NOT NULL DEFAULT 0, suppressed INTEGER NOT NULL DEFAULT 0,
  cancelled INTEGER NOT NULL DEFAULT 0, deferred INTEGER NOT NULL DEFAULT 0,
  complained INTEGER NOT NULL DEFAULT 0, unsubscribed INTEGER NOT NULL DEFAULT 0,
  opened INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX IF NOT EXISTS jobs_by_message ON jobs(message_high, message_low);
CREATE INDEX IF NOT EXISTS jobs_by_tenant ON jobs(tenant, id);
CREATE INDEX IF NOT EXISTS jobs_by_state ON jobs(state, send_at_us);
CREATE TABLE IF NOT EXISTS rows(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  job INTEGER NOT NULL, import INTEGER NOT NULL,
  address TEXT NOT NULL, data TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS rows_by_address ON rows(job, address);
CREATE INDEX IF NOT EXISTS rows_by_job ON rows(job);
CREATE TABLE IF NOT EXISTS imports(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  job INTEGER NOT NULL, is_done INTEGER NOT NULL, taken INTEGER NOT NULL,
  refused INTEGER NOT NULL, lines INTEGER NOT NULL, created_us INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS import_errors(
  import INTEGER NOT NULL, line INTEGER NOT NULL, address TEXT NOT NULL, code TEXT NOT NULL,
  text TEXT NOT NULL, PRIMARY KEY(import, line)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS deliveries(
  id INTEGER PRIMARY KEY, tenant TEXT NOT NULL, message TEXT NOT NULL, created_us INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS reports(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant TEXT NOT NULL, kind TEXT NOT NULL, question TEXT NOT NULL, created_us INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS reports_by_tenant ON reports(tenant, id);
CREATE TABLE IF NOT EXISTS readers(name TEXT PRIMARY KEY, position TEXT NOT NULL) STRICT;
PRAGMA application_id=)";

constexpr std::array<std::string_view, 8> kStates = {"draft",  "scheduled",  "launching", "sending",
                                                     "paused", "cancelling", "cancelled", "done"};

constexpr std::string_view kColumns =
    "id, tenant, name, stream, state, origin, content, identity, sender_domains, client_address, "
    "coalesce(token,''), message_high, message_low, rows, created_us, changed_us, committed_us, "
    "send_at_us, note, accepted, rejected, delivered, bounced, expired, suppressed, cancelled, "
    "deferred, complained, unsubscribed, opened";

std::int64_t number(JobState state) {
  return static_cast<std::int64_t>(state);
}

std::string join(const std::vector<std::string>& list) {
  std::string text;
  for (const std::string& one : list) text += (text.empty() ? "" : " ") + one;
  return text;
}

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> list;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    list.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return list;
}

Job job_of(const Statement& row) {
  const auto count = [&](int column) { return static_cast<std::uint64_t>(row.integer(column)); };
  const auto time = [&](int column) { return base::from_unix_us(row.integer(column)); };
  Job job;
  job.id = row.integer(0);
  job.tenant = row.text(1);
  job.name = row.text(2);
  job.stream = row.text(3);
  job.state = static_cast<JobState>(row.integer(4));
  job.origin = static_cast<Origin>(row.integer(5));
  job.content = row.text(6);
  job.identity = row.text(7);
  job.sender_domains = split(row.text(8));
  job.client_address = row.text(9);
  job.token = row.text(10);
  job.message = {count(11), count(12)};
  job.rows = count(13);
  job.created = time(14);
  job.changed = time(15);
  job.committed = time(16);
  job.send_at = time(17);
  job.note = row.text(18);
  Counts& counts = job.counts;
  int column = 19;
  for (std::uint64_t* one :
       {&counts.accepted, &counts.rejected, &counts.delivered, &counts.bounced, &counts.expired,
        &counts.suppressed, &counts.cancelled, &counts.deferred, &counts.complained,
        &counts.unsubscribed, &counts.opened})
    *one = count(column++);
  return job;
}

Changed changed(const account::Database& database) {
  return database.rows_changed() > 0 ? Changed::Yes : Changed::No;
}

}  // namespace

std::string_view state_name(JobState state) {
  return kStates[static_cast<std::size_t>(state)];
}

std::optional<JobState> parse_state(std::string_view name) {
  for (std::size_t i = 0; i < kStates.size(); ++i)
    if (kStates[i] == name) return static_cast<JobState>(i);
  return std::nullopt;
}

Counts& Counts::operator+=(const Counts& other) {
  accepted += other.accepted;
  rejected += other.rejected;
  delivered += other.delivered;
  bounced += other.bounced;
  expired += other.expired;
  suppressed += other.suppressed;
  cancelled += other.cancelled;
  deferred += other.deferred;
  complained += other.complained;
  unsubscribed += other.unsubscribed;
  opened += other.opened;
  return *this;
}

Result<std::unique_ptr<Store>> Store::open(const std::string& data_dir, std::string* problem) {
  auto database = account::Database::open(data_dir + "/jobs.db", problem);
  if (!database) return database.error();
  const Result<void> made = database->run(kSchema + std::to_string(kApplicationId));
  if (!made) return made.error();
  return std::unique_ptr<Store>(new Store(std::move(*database)));
}

Result<void> Store::forget_unfinished_imports() {
  const std::lock_guard lock(mutex_);
  return database_.run(
      "DELETE FROM rows WHERE job IN (SELECT job FROM imports WHERE is_done=0) AND import IN "
      "(SELECT id FROM imports WHERE is_done=0);"
      "UPDATE jobs SET rows=(SELECT count(*) FROM rows WHERE job=jobs.id) WHERE id IN "
      "(SELECT job FROM imports WHERE is_done=0) AND state=0;"
      "DELETE FROM imports WHERE is_done=0");
}

Result<Store::Added> Store::add(Job& job) {
  const std::lock_guard lock(mutex_);
  auto transaction = account::Transaction::begin(database_);
  if (!transaction) return transaction.error();
  if (!job.token.empty()) {
    auto select = database_.prepare("SELECT id FROM jobs WHERE token=?");
    if (!select) return select.error();
    const auto step = select->bind(job.token).step();
    if (!step) return step.error();
    if (*step == Statement::Step::Row) {
      job.id = select->integer(0);
      return Added::Yes;
    }
  }
  if (job.origin != Origin::Batch) {
    auto count =
        database_.prepare("SELECT count(*) FROM jobs WHERE tenant=? AND origin<>? AND state<=?");
    if (!count) return count.error();
    count->bind(job.tenant).bind(static_cast<std::int64_t>(Origin::Batch));
    const auto step = count->bind(number(JobState::Paused)).step();
    if (!step) return step.error();
    if (count->integer(0) >= kOpenJobsMax) return Added::TooMany;
  }
  auto insert = database_.prepare(
      "INSERT INTO jobs(tenant, name, stream, state, origin, content, identity, sender_domains, "
      "client_address, token, message_high, message_low, rows, created_us, changed_us, "
      "committed_us, send_at_us, note) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,'')");
  if (!insert) return insert.error();
  insert->bind(job.tenant).bind(job.name).bind(job.stream).bind(number(job.state));
  insert->bind(static_cast<std::int64_t>(job.origin)).bind(job.content).bind(job.identity);
  insert->bind(join(job.sender_domains)).bind(job.client_address).bind_or_null(job.token);
  insert->bind(static_cast<std::int64_t>(job.message.high));
  insert->bind(static_cast<std::int64_t>(job.message.low));
  insert->bind(static_cast<std::int64_t>(job.rows)).bind(base::to_unix_us(job.created));
  insert->bind(base::to_unix_us(job.created)).bind(base::to_unix_us(job.committed));
  insert->bind(base::to_unix_us(job.send_at));
  if (const auto done = insert->run(); !done) return done.error();
  job.id = database_.last_row_id();
  if (const auto done = transaction->commit(); !done) return done.error();
  return Added::Yes;
}

Result<std::vector<Job>> Store::read_jobs(Statement& select) {
  std::vector<Job> jobs;
  while (true) {
    const auto step = select.step();
    if (!step) return step.error();
    if (*step == Statement::Step::End) return jobs;
    jobs.push_back(job_of(select));
  }
}

Result<std::optional<Job>> Store::find(std::int64_t id, std::string_view tenant) {
  const std::lock_guard lock(mutex_);
  auto select = database_.prepare("SELECT " + std::string(kColumns) +
                                  " FROM jobs WHERE id=? AND (?='' OR tenant=?)");
  if (!select) return select.error();
  select->bind(id).bind(tenant).bind(tenant);
  auto jobs = read_jobs(*select);
  if (!jobs) return jobs.error();
  if (jobs->empty()) return std::optional<Job>();
  return std::optional<Job>(std::move(jobs->front()));
}

Result<std::optional<Job>> Store::find_by_message(base::MessageId message) {
  const std::lock_guard lock(mutex_);
  auto select = database_.prepare("SELECT " + std::string(kColumns) +
                                  " FROM jobs WHERE message_high=? AND message_low=?");
  if (!select) return select.error();
  select->bind(static_cast<std::int64_t>(message.high));
  select->bind(static_cast<std::int64_t>(message.low));
  auto jobs = read_jobs(*select);
  if (!jobs) return jobs.error();
  if (jobs->empty()) return std::optional<Job>();
  return std::optional<Job>(std::move(jobs->front()));
}

Result<std::vector<Job>> Store::list(const Listing& listing) {
  const std::lock_guard lock(mutex_);
  auto select = database_.prepare(
      "SELECT " + std::string(kColumns) +
      " FROM jobs WHERE (?='' OR tenant=?) AND id<? AND (? OR origin=?) AND (? OR state=?) "
      "ORDER BY id DESC LIMIT ?");
  if (!select) return select.error();
  select->bind(listing.tenant).bind(listing.tenant).bind(listing.before);
  select->bind(std::int64_t{!listing.origin});
  select->bind(static_cast<std::int64_t>(listing.origin.value_or(Origin::Jobs)));
  select->bind(std::int64_t{!listing.state});
  select->bind(number(listing.state.value_or(JobState::Draft)));
  select->bind(static_cast<std::int64_t>(listing.limit));
  return read_jobs(*select);
}

Result<std::vector<Job>> Store::due(base::Time now) {
  const std::lock_guard lock(mutex_);
  auto select = database_.prepare("SELECT " + std::string(kColumns) +
                                  " FROM jobs WHERE state=? AND send_at_us<=? ORDER BY send_at_us "
                                  "LIMIT 100");
  if (!select) return select.error();
  select->bind(number(JobState::Scheduled)).bind(base::to_unix_us(now));
  return read_jobs(*select);
}

Result<std::vector<Store::UnderWay>> Store::under_way() {
  const std::lock_guard lock(mutex_);
  auto select = database_.prepare(
      "SELECT id, message_high, message_low, state FROM jobs WHERE state IN (3,4,5)");
  if (!select) return select.error();
  std::vector<UnderWay> jobs;
  while (true) {
    const auto step = select->step();
    if (!step) return step.error();
    if (*step == Statement::Step::End) return jobs;
    jobs.push_back({select->integer(0),
                    {static_cast<std::uint64_t>(select->integer(1)),
                     static_cast<std::uint64_t>(select->integer(2))},
                    static_cast<JobState>(select->integer(3))});
  }
}

Result<Changed> Store::change(const Job& job, base::Time now) {
  const std::lock_guard lock(mutex_);
  auto update = database_.prepare(
      "UPDATE jobs SET name=?, stream=?, content=?, identity=?, sender_domains=?, "
      "client_address=?, changed_us=? WHERE id=? AND state=?");
  if (!update) return update.error();
  update->bind(job.name).bind(job.stream).bind(job.content).bind(job.identity);
  update->bind(join(job.sender_domains)).bind(job.client_address).bind(base::to_unix_us(now));
  update->bind(job.id).bind(number(JobState::Draft));
  if (const auto done = update->run(); !done) return done.error();
  return changed(database_);
}

Result<Changed> Store::move(std::int64_t id, const std::vector<JobState>& from, JobState to,
                            base::Time now, std::string_view note) {
  const std::lock_guard lock(mutex_);
  for (const JobState state : from) {
    auto update =
        database_.prepare("UPDATE jobs SET state=?, note=?, changed_us=? WHERE id=? AND state=?");
    if (!update) return update.error();
    update->bind(number(to)).bind(note).bind(base::to_unix_us(now)).bind(id).bind(number(state));
    if (const auto done = update->run(); !done) return done.error();
    if (database_.rows_changed() > 0) return Changed::Yes;
  }
  return Changed::No;
}

Result<Changed> Store::commit(std::int64_t id, base::Time send_at, base::Time now) {
  const std::lock_guard lock(mutex_);
  auto update = database_.prepare(
      "UPDATE jobs SET state=?, send_at_us=?, committed_us=?, changed_us=? "
      "WHERE id=? AND state=? AND rows>0 AND NOT EXISTS "
      "(SELECT 1 FROM imports WHERE job=jobs.id AND is_done=0)");
  if (!update) return update.error();
  update->bind(number(JobState::Scheduled)).bind(base::to_unix_us(send_at));
  update->bind(base::to_unix_us(now)).bind(base::to_unix_us(now)).bind(id);
  if (const auto done = update->bind(number(JobState::Draft)).run(); !done) return done.error();
  return changed(database_);
}

Result<Changed> Store::launch(std::int64_t id, base::MessageId message, base::Time now) {
  const std::lock_guard lock(mutex_);
  auto update = database_.prepare(
      "UPDATE jobs SET state=?, message_high=?, message_low=?, changed_us=? WHERE id=? AND "
      "state=?");
  if (!update) return update.error();
  update->bind(number(JobState::Launching)).bind(static_cast<std::int64_t>(message.high));
  update->bind(static_cast<std::int64_t>(message.low)).bind(base::to_unix_us(now)).bind(id);
  if (const auto done = update->bind(number(JobState::Scheduled)).run(); !done) return done.error();
  return changed(database_);
}

Result<void> Store::set_note(base::MessageId message, std::string_view note) {
  const std::lock_guard lock(mutex_);
  auto update = database_.prepare("UPDATE jobs SET note=? WHERE message_high=? AND message_low=?");
  if (!update) return update.error();
  update->bind(note).bind(static_cast<std::int64_t>(message.high));
  return update->bind(static_cast<std::int64_t>(message.low)).run();
}

Result<Changed> Store::remove(std::int64_t id) {
  const std::lock_guard lock(mutex_);
  auto erase = database_.prepare("DELETE FROM jobs WHERE id=? AND state IN (?,?,?)");
  if (!erase) return erase.error();
  erase->bind(id).bind(number(JobState::Draft)).bind(number(JobState::Cancelled));
  if (const auto done = erase->bind(number(JobState::Done)).run(); !done) return done.error();
  return changed(database_);
}

Result<std::string> Store::reader_position() {
  const std::lock_guard lock(mutex_);
  auto select = database_.prepare("SELECT position FROM readers WHERE name='counts'");
  if (!select) return select.error();
  const auto step = select->step();
  if (!step) return step.error();
  return *step == Statement::Step::Row ? std::string(select->text(0)) : std::string();
}

Result<void> Store::take_counts(const std::map<base::MessageId, Counts>& counts,
                                std::string_view position, base::Time now) {
  const std::lock_guard lock(mutex_);
  auto transaction = account::Transaction::begin(database_);
  if (!transaction) return transaction.error();
  auto update = database_.prepare(
      "UPDATE jobs SET accepted=accepted+?, rejected=rejected+?, delivered=delivered+?, "
      "bounced=bounced+?, expired=expired+?, suppressed=suppressed+?, cancelled=cancelled+?, "
      "deferred=deferred+?, complained=complained+?, unsubscribed=unsubscribed+?, "
      "opened=opened+? WHERE message_high=? AND message_low=?");
  if (!update) return update.error();
  auto finish = database_.prepare(
      "UPDATE jobs SET state=?, note='', changed_us=? WHERE message_high=? AND message_low=? AND "
      "state IN (?,?) AND rejected+delivered+bounced+expired+suppressed+cancelled>=rows");
  if (!finish) return finish.error();
  for (const auto& [message, more] : counts) {
    for (const std::uint64_t one :
         {more.accepted, more.rejected, more.delivered, more.bounced, more.expired, more.suppressed,
          more.cancelled, more.deferred, more.complained, more.unsubscribed, more.opened})
      update->bind(static_cast<std::int64_t>(one));
    update->bind(static_cast<std::int64_t>(message.high));
    update->bind(static_cast<std::int64_t>(message.low));
    if (const auto done = update->run(); !done) return done.error();
    update->reset();
    finish->bind(number(JobState::Done)).bind(base::to_unix_us(now));
    finish->bind(static_cast<std::int64_t>(message.high));
    finish->bind(static_cast<std::int64_t>(message.low));
    finish->bind(number(JobState::Sending)).bind(number(JobState::Paused));
    if (const auto done = finish->run(); !done) return done.error();
    finish->reset();
  }
  auto place = database_.prepare(
      "INSERT INTO readers VALUES('counts',?1) ON CONFLICT(name) DO UPDATE SET position=?1");
  if (!place) return place.error();
  if (const auto done = place->bind(position).run(); !done) return done.error();
  return transaction->commit();
}

Result<void> Store::prune(base::Time now) {
  const std::lock_guard lock(mutex_);
  const std::string before = std::to_string(base::to_unix_us(now - kKept));
  return database_.run("DELETE FROM jobs WHERE state IN (6,7) AND changed_us<" + before +
                       ";DELETE FROM deliveries WHERE created_us<" + before +
                       ";DELETE FROM reports WHERE created_us<" + before +
                       ";DELETE FROM imports WHERE created_us<" + before +
                       ";DELETE FROM import_errors WHERE import NOT IN (SELECT id FROM imports)");
}

}  // namespace ekiden::bulk
