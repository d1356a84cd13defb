// The suppression list in the control store; see store.cpp for what holds of all of it.
//
// Memory holds a set of hashes. The table's triggers write down which addresses changed, so that a
// process reads those again and not a million others.
#include <algorithm>

#include "ekiden/account/store.hpp"
#include "ekiden/base/log.hpp"

namespace ekiden::account {
namespace {

/// Changes that are kept; a process that has missed more of them reads everything.
constexpr std::int64_t kChangesKept = 100'000;
/// Past so many, reading everything is cheaper than address by address.
constexpr std::int64_t kChangesReadSingly = 20'000;
/// Times that a soft failure may lie behind the one before and still count with it.
constexpr base::Duration kSoftFailureMemory = std::chrono::hours(24 * 30);

constexpr std::string_view kColumns =
    "id, tenant, address, stream, reason, created_us, expires_us, note, source";

std::optional<Suppression> suppression_of(const Statement& row) {
  const auto reason = parse_suppression_reason(row.text(4));
  if (!reason) return std::nullopt;
  Suppression entry;
  entry.id = row.integer(0);
  entry.tenant = row.text(1);
  entry.address = row.text(2);
  entry.stream = row.text(3);
  entry.reason = *reason;
  entry.created = base::from_unix_us(row.integer(5));
  entry.expires = base::from_unix_us(row.integer(6));
  entry.note = row.text(7);
  entry.source = row.text(8);
  return entry;
}

/// The same order of parameters everywhere: see `bind`. One tenant's one address is found by the
/// index; everything else is a walk.
std::string where(const SuppressionFilter& filter) {
  const bool is_one = !filter.tenant.empty() && !filter.address.empty();
  return std::string(is_one ? " WHERE tenant=?1 AND address=?2 "
                            : " WHERE (?1='' OR tenant=?1) AND (?2='' OR address=?2) ") +
         "AND (?3='' OR address LIKE ?3 ESCAPE '\\') AND (?4='*' OR stream=?4) "
         "AND (?5='' OR reason=?5) AND created_us<?6 AND created_us>=?7 ";
}

std::string domain_pattern(const std::string& domain) {
  if (domain.empty()) return {};
  std::string pattern = "%@";
  for (const char c : domain) {
    if (c == '_' || c == '%' || c == '\\') pattern += '\\';
    pattern += c;
  }
  return pattern;
}

void bind(Statement& statement, const SuppressionFilter& filter) {
  statement.bind(filter.tenant).bind(filter.address).bind(domain_pattern(filter.domain));
  statement.bind(filter.stream ? *filter.stream : std::string("*"));
  statement.bind(filter.reason ? name_of(*filter.reason) : std::string_view());
  statement.bind(filter.created_before ? base::to_unix_us(*filter.created_before) : INT64_MAX);
  statement.bind(filter.created_since ? base::to_unix_us(*filter.created_since) : INT64_MIN);
}

std::string described(const SuppressionFilter& filter) {
  std::string out;
  const auto add = [&](std::string_view name, std::string_view value) {
    if (value.empty()) return;
    out.append(out.empty() ? "" : " ").append(name).append("=").append(value);
  };
  add("address", filter.address);
  add("domain", filter.domain);
  if (filter.stream) add("stream", filter.stream->empty() ? "all" : *filter.stream);
  if (filter.reason) add("reason", name_of(*filter.reason));
  if (filter.created_before) add("before", base::format_rfc3339(*filter.created_before));
  if (filter.created_since) add("since", base::format_rfc3339(*filter.created_since));
  return out;
}

}  // namespace

Result<std::size_t> Store::insert_suppressions(const std::vector<Suppression>& entries,
                                               bool renews_all, base::Time now) {
  // Without `renews_all` only what has expired is renewed: the first reason is kept.
  auto insert = database_.prepare(
      "INSERT INTO suppressions(tenant, address, stream, reason, created_us, expires_us, note, "
      "source) VALUES(?1,?2,?3,?4,?5,?6,?7,?8) ON CONFLICT(tenant, address, stream, reason) "
      "DO UPDATE SET created_us=?5, expires_us=?6, note=?7, source=?8 "
      "WHERE ?9=1 OR (expires_us<>0 AND expires_us<=?10)");
  if (!insert) return insert.error();
  std::size_t added = 0;
  for (const Suppression& entry : entries) {
    insert->reset();
    insert->bind(entry.tenant).bind(entry.address).bind(entry.stream).bind(name_of(entry.reason));
    insert->bind(base::to_unix_us(entry.created)).bind(base::to_unix_us(entry.expires));
    insert->bind(entry.note).bind(entry.source).bind(std::int64_t{renews_all ? 1 : 0});
    insert->bind(base::to_unix_us(now));
    database_.forget_last_row_id();
    if (const auto done = insert->run(); !done) return done.error();
    // An update leaves it alone, and triggers put it back.
    if (database_.last_row_id() != 0) ++added;
  }
  if (!entries.empty()) {
    if (const auto trimmed = trim_suppression_changes(); !trimmed) return trimmed.error();
  }
  return added;
}

Result<void> Store::trim_suppression_changes() {
  return database_.run(
      "DELETE FROM suppression_changes WHERE seq <= (SELECT max(seq) FROM suppression_changes) - " +
      std::to_string(kChangesKept));
}

Result<std::size_t> Store::add_suppressions(const std::vector<Suppression>& entries,
                                            const Author& author) {
  if (entries.empty()) return std::size_t{0};
  const std::lock_guard lock(mutex_);
  auto transaction = Transaction::begin(database_);
  if (!transaction) return transaction.error();
  std::string_view known;
  for (const Suppression& entry : entries) {
    if (entry.tenant == known) continue;
    if (const auto tenant = require_tenant(entry.tenant); !tenant) return tenant.error();
    known = entry.tenant;
  }
  const auto added = insert_suppressions(entries, true, author.now);
  if (!added) return added.error();
  const Suppression& first = entries.front();
  const std::string what =
      entries.size() == 1 ? first.address : std::to_string(entries.size()) + " addresses";
  std::string detail = "tenant=" + first.tenant + " reason=" + std::string(name_of(first.reason)) +
                       " stream=" + (first.stream.empty() ? "all" : first.stream);
  if (!first.note.empty()) detail += " note=" + first.note;
  if (const auto noted = note(author, "suppression.add", what, detail); !noted)
    return noted.error();
  if (const auto done = transaction->commit(); !done) return done.error();
  suppressions_changed();
  return *added;
}

Result<std::vector<Suppression>> Store::suppressions(const SuppressionFilter& filter,
                                                     std::int64_t after, std::size_t limit) {
  const std::lock_guard lock(mutex_);
  auto select = database_.prepare("SELECT " + std::string(kColumns) + " FROM suppressions" +
                                  where(filter) + "AND id>?8 ORDER BY id LIMIT ?9");
  if (!select) return select.error();
  bind(*select, filter);
  select->bind(after).bind(static_cast<std::int64_t>(limit));
  std::vector<Suppression> entries;
  while (true) {
    const auto row = select->step();
    if (!row) return row.error();
    if (*row == Statement::Step::End) return entries;
    if (auto entry = suppression_of(*select)) entries.push_back(std::move(*entry));
  }
}

Result<std::uint64_t> Store::count_suppressions(const SuppressionFilter& filter) {
  const std::lock_guard lock(mutex_);
  auto select = database_.prepare("SELECT count(*) FROM suppressions" + where(filter));
  if (!select) return select.error();
  bind(*select, filter);
  const auto row = select->step();
  if (!row) return row.error();
  return static_cast<std::uint64_t>(select->integer(0));
}

Result<std::uint64_t> Store::remove_suppressions(const SuppressionFilter& filter,
                                                 const Author& author) {
  const std::lock_guard lock(mutex_);
  auto transaction = Transaction::begin(database_);
  if (!transaction) return transaction.error();
  auto erase = database_.prepare("DELETE FROM suppressions" + where(filter));
  if (!erase) return erase.error();
  bind(*erase, filter);
  if (const auto done = erase->run(); !done) return done.error();
  const auto removed = static_cast<std::uint64_t>(database_.rows_changed());
  if (removed == 0) return removed;
  if (const auto trimmed = trim_suppression_changes(); !trimmed) return trimmed.error();
  const std::string what =
      !filter.address.empty() ? filter.address : std::to_string(removed) + " entries";
  if (const auto noted = note(
          author, "suppression.remove", what,
          "tenant=" + (filter.tenant.empty() ? "all" : filter.tenant) + " " + described(filter),
          std::to_string(removed) + " entries");
      !noted) {
    return noted.error();
  }
  if (const auto done = transaction->commit(); !done) return done.error();
  suppressions_changed();
  return removed;
}

Result<void> Store::take_outcomes(const Outcomes& outcomes, std::string_view reader,
                                  std::string_view position) {
  const std::lock_guard lock(mutex_);
  auto transaction = Transaction::begin(database_);
  if (!transaction) return transaction.error();
  const base::Time now =
      outcomes.suppressed.empty() ? base::Time{} : outcomes.suppressed.back().created;
  if (const auto added = insert_suppressions(outcomes.suppressed, false, now); !added)
    return added.error();
  for (const auto& [tenant, address] : outcomes.delivered) {
    auto erase = database_.prepare("DELETE FROM soft_failures WHERE tenant=? AND address=?");
    if (!erase) return erase.error();
    if (const auto done = erase->bind(tenant).bind(address).run(); !done) return done;
  }
  const std::shared_ptr<const Snapshot> snapshot = snapshot_.load();
  for (const Outcomes::Soft& failed : outcomes.failed) {
    const TenantRules* rules = snapshot->find_tenant(failed.tenant);
    if (rules == nullptr || rules->settings.soft_failures == 0) continue;
    auto count = database_.prepare(
        "INSERT INTO soft_failures VALUES(?1,?2,1,?3,?4) ON CONFLICT(tenant, address) DO UPDATE "
        "SET failures=CASE WHEN last_us<?3-?5 THEN 1 ELSE failures+1 END, last_us=?3, "
        "last_event=?4 WHERE last_event<>?4 RETURNING failures");
    if (!count) return count.error();
    count->bind(failed.tenant).bind(failed.address).bind(base::to_unix_us(failed.time));
    count->bind(failed.event).bind(kSoftFailureMemory.count());
    const auto row = count->step();
    if (!row) return row.error();
    if (*row == Statement::Step::End) continue;
    const auto failures = static_cast<std::uint64_t>(count->integer(0));
    if (const auto done = count->run(); !done) return done;
    if (failures < rules->settings.soft_failures) continue;
    Suppression entry;
    entry.tenant = failed.tenant;
    entry.address = failed.address;
    entry.reason = SuppressionReason::Soft;
    entry.created = failed.time;
    if (rules->settings.suppression_days != 0)
      entry.expires = failed.time + std::chrono::days(rules->settings.suppression_days);
    entry.source = failed.event;
    entry.note = std::to_string(failures) + " failures";
    if (const auto added = insert_suppressions({entry}, false, failed.time); !added)
      return added.error();
    auto erase = database_.prepare("DELETE FROM soft_failures WHERE tenant=? AND address=?");
    if (!erase) return erase.error();
    if (const auto done = erase->bind(failed.tenant).bind(failed.address).run(); !done) return done;
  }
  auto put = database_.prepare("INSERT OR REPLACE INTO cursors VALUES(?,?)");
  if (!put) return put.error();
  if (const auto done = put->bind(reader).bind(position).run(); !done) return done;
  if (const auto done = transaction->commit(); !done) return done;
  suppressions_changed();
  return {};
}

Result<void> Store::suppress(const Suppression& entry) {
  const std::lock_guard lock(mutex_);
  auto transaction = Transaction::begin(database_);
  if (!transaction) return transaction.error();
  const auto added = insert_suppressions({entry}, false, entry.created);
  if (!added) return added.error();
  if (const auto done = transaction->commit(); !done) return done;
  suppressions_changed();
  return {};
}

Result<std::string> Store::reader_position(std::string_view reader) {
  const std::lock_guard lock(mutex_);
  auto select = database_.prepare("SELECT position FROM cursors WHERE name=?");
  if (!select) return select.error();
  const auto row = select->bind(reader).step();
  if (!row) return row.error();
  return *row == Statement::Step::Row ? std::string(select->text(0)) : std::string();
}

Result<std::uint64_t> Store::drop_expired_suppressions(base::Time now) {
  const std::lock_guard lock(mutex_);
  auto transaction = Transaction::begin(database_);
  if (!transaction) return transaction.error();
  auto erase = database_.prepare("DELETE FROM suppressions WHERE expires_us<>0 AND expires_us<=?");
  if (!erase) return erase.error();
  if (const auto done = erase->bind(base::to_unix_us(now)).run(); !done) return done.error();
  const auto removed = static_cast<std::uint64_t>(database_.rows_changed());
  auto forget = database_.prepare("DELETE FROM soft_failures WHERE last_us<?");
  if (!forget) return forget.error();
  if (const auto done = forget->bind(base::to_unix_us(now - kSoftFailureMemory)).run(); !done)
    return done.error();
  if (removed == 0 && database_.rows_changed() == 0) return removed;
  if (const auto trimmed = trim_suppression_changes(); !trimmed) return trimmed.error();
  if (const auto done = transaction->commit(); !done) return done.error();
  suppressions_changed();
  return removed;
}

void Store::suppressions_changed() {
  if (is_live_ && !read_suppressions()) seen_version_ = -1;
}

Result<void> Store::read_suppressions() {
  // The sequence's own table remembers the highest number when all rows are gone.
  const auto newest = database_.integer(
      "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name='suppression_changes'), 0)");
  if (!newest) return newest.error();
  if (*newest == seen_suppressions_) return {};
  const auto oldest = database_.integer("SELECT coalesce(min(seq), 0) FROM suppression_changes");
  if (!oldest) return oldest.error();
  const std::shared_ptr<const SuppressionSet> old = suppressions_.load();
  const bool is_complete = seen_suppressions_ >= 0 && *oldest <= seen_suppressions_ + 1;
  if (old == nullptr || !is_complete || *newest - seen_suppressions_ > kChangesReadSingly)
    return read_all_suppressions(*newest);

  auto changes = database_.prepare(
      "SELECT DISTINCT tenant, address FROM suppression_changes WHERE seq>? AND seq<=?");
  if (!changes) return changes.error();
  changes->bind(seen_suppressions_).bind(*newest);
  auto select = database_.prepare("SELECT " + std::string(kColumns) +
                                  " FROM suppressions WHERE tenant=? AND address=?");
  if (!select) return select.error();
  SuppressionEditor editor(*old);
  std::vector<Suppression> entries;
  while (true) {
    const auto row = changes->step();
    if (!row) return row.error();
    if (*row == Statement::Step::End) break;
    const std::string tenant(changes->text(0)), address(changes->text(1));
    entries.clear();
    select->reset();
    select->bind(tenant).bind(address);
    while (true) {
      const auto found = select->step();
      if (!found) return found.error();
      if (*found == Statement::Step::End) break;
      if (auto entry = suppression_of(*select)) entries.push_back(std::move(*entry));
    }
    editor.replace(tenant, address, entries);
  }
  suppressions_.store(std::make_shared<const SuppressionSet>(editor.finish()));
  seen_suppressions_ = *newest;
  return {};
}

Result<void> Store::read_all_suppressions(std::int64_t newest) {
  const std::shared_ptr<const SuppressionSet> old = suppressions_.load();
  std::uint64_t seed = old == nullptr ? 0 : old->seed();
  if (old == nullptr) {
    const auto random = database_.integer("SELECT random()");
    if (!random) return random.error();
    seed = static_cast<std::uint64_t>(*random);
  }
  auto select = database_.prepare("SELECT " + std::string(kColumns) + " FROM suppressions");
  if (!select) return select.error();
  SuppressionEditor editor{SuppressionSet(seed)};
  while (true) {
    const auto row = select->step();
    if (!row) return row.error();
    if (*row == Statement::Step::End) break;
    if (const auto entry = suppression_of(*select)) editor.append(*entry);
  }
  suppressions_.store(std::make_shared<const SuppressionSet>(editor.finish()));
  seen_suppressions_ = newest;
  return {};
}

}  // namespace ekiden::account
