// Batches of scheduled mail that are stopped, in the control store; see store.cpp for what holds of
// all of it.
#include "ekiden/account/store.hpp"
#include "ekiden/account/store_lists.hpp"

namespace ekiden::account {
namespace {

constexpr const char* kSelect = "SELECT tenant, batch, stop, created_us FROM scheduled_sends ";

std::optional<ScheduledSend> send_of(const Statement& row) {
  const auto stop = parse_send_stop(row.text(2));
  if (!stop) return std::nullopt;
  return ScheduledSend{std::string(row.text(0)), std::string(row.text(1)), *stop,
                       base::from_unix_us(row.integer(3))};
}

}  // namespace

Result<void> Store::add_scheduled_send(const ScheduledSend& send, const Author& author) {
  const std::lock_guard lock(mutex_);
  auto transaction = Transaction::begin(database_);
  if (!transaction) return transaction.error();
  if (const auto tenant = require_tenant(send.tenant); !tenant) return tenant;
  auto old = database_.prepare("DELETE FROM scheduled_sends WHERE created_us<?");
  if (!old) return old.error();
  if (const auto done = old->bind(base::to_unix_us(author.now - kScheduledSendKept)).run(); !done)
    return done;
  auto count = database_.prepare(
      "SELECT count(*), coalesce(sum(batch=?2), 0) FROM scheduled_sends WHERE tenant=?1");
  if (!count) return count.error();
  const auto counted = count->bind(send.tenant).bind(send.batch).step();
  if (!counted) return counted.error();
  if (count->integer(1) != 0) return make_error_code(Errc::DuplicateName);
  if (count->integer(0) >= static_cast<std::int64_t>(kScheduledSendsMax))
    return make_error_code(Errc::TooMany);
  auto insert = database_.prepare(
      "INSERT INTO scheduled_sends(tenant, batch, stop, created_us) VALUES(?,?,?,?)");
  if (!insert) return insert.error();
  insert->bind(send.tenant).bind(send.batch).bind(name_of(send.stop));
  if (const auto done = insert->bind(base::to_unix_us(author.now)).run(); !done) return done;
  const std::string detail = "tenant=" + send.tenant + " status=" + std::string(name_of(send.stop));
  if (const auto noted = note(author, "batch.stop", send.batch, detail); !noted) return noted;
  if (const auto done = transaction->commit(); !done) return done;
  publish_or_log();
  return {};
}

Result<std::vector<ScheduledSend>> Store::scheduled_sends(std::string_view tenant,
                                                          std::string_view batch) {
  const std::lock_guard lock(mutex_);
  auto select = database_.prepare(std::string(kSelect) +
                                  "WHERE tenant=?1 AND (?2='' OR batch=?2) ORDER BY created_us");
  if (!select) return select.error();
  select->bind(tenant).bind(batch);
  return read_rows<ScheduledSend>(*select, "scheduled_send_unreadable", send_of);
}

Result<std::vector<ScheduledSend>> Store::read_scheduled_sends() {
  auto select = database_.prepare(kSelect);
  if (!select) return select.error();
  return read_rows<ScheduledSend>(*select, "scheduled_send_unreadable", send_of);
}

Result<void> Store::set_scheduled_send(const ScheduledSend& send, const Author& author) {
  const std::lock_guard lock(mutex_);
  auto transaction = Transaction::begin(database_);
  if (!transaction) return transaction.error();
  auto update = database_.prepare("UPDATE scheduled_sends SET stop=? WHERE tenant=? AND batch=?");
  if (!update) return update.error();
  update->bind(name_of(send.stop)).bind(send.tenant).bind(send.batch);
  if (const auto done = update->run(); !done) return done;
  if (database_.rows_changed() == 0) return make_error_code(Errc::NotFound);
  const std::string detail = "tenant=" + send.tenant + " status=" + std::string(name_of(send.stop));
  if (const auto noted = note(author, "batch.set", send.batch, detail); !noted) return noted;
  if (const auto done = transaction->commit(); !done) return done;
  publish_or_log();
  return {};
}

Result<void> Store::remove_scheduled_send(std::string_view tenant, std::string_view batch) {
  const std::lock_guard lock(mutex_);
  auto transaction = Transaction::begin(database_);
  if (!transaction) return transaction.error();
  // Only what is being resumed goes: a new pause may have come meanwhile.
  auto erase = database_.prepare(
      "DELETE FROM scheduled_sends WHERE tenant=? AND batch=? AND stop='resuming'");
  if (!erase) return erase.error();
  if (const auto done = erase->bind(tenant).bind(batch).run(); !done) return done;
  if (const auto done = transaction->commit(); !done) return done;
  publish_or_log();
  return {};
}

}  // namespace ekiden::account
