#include "ekiden/account/audit.hpp"

#include "ekiden/account/password.hpp"
#include "ekiden/base/text.hpp"

namespace ekiden::account {
namespace {

AuditEntry entry_of(const Statement& row) {
  AuditEntry entry;
  entry.id = row.integer(0);
  entry.time = base::from_unix_us(row.integer(1));
  entry.author = row.text(2);
  entry.action = row.text(3);
  entry.subject = row.text(4);
  entry.detail = row.text(5);
  entry.origin = row.text(6);
  entry.before = row.text(7);
  entry.after = row.text(8);
  entry.hash = row.text(9);
  return entry;
}

Result<Statement> select_all(Database& database) {
  return database.prepare(
      "SELECT id, time_us, author, action, subject, detail, origin, before, after, hash "
      "FROM audit ORDER BY id");
}

}  // namespace

std::string audit_beginning() {
  return std::string(64, '0');
}

std::string audit_hash(std::string_view before, const AuditEntry& entry) {
  std::string text(before);
  const auto add = [&text](std::string_view field) {
    text += std::to_string(field.size());
    text += ':';
    text += field;
  };
  add(std::to_string(entry.id));
  add(std::to_string(base::to_unix_us(entry.time)));
  for (const std::string* field : {&entry.author, &entry.action, &entry.subject, &entry.detail,
                                   &entry.origin, &entry.before, &entry.after})
    add(*field);
  return base::encode_hex(sha256(text));
}

Result<void> append_audit(Database& database, const AuditEntry& given) {
  auto last = database.prepare("SELECT id, hash FROM audit ORDER BY id DESC LIMIT 1");
  if (!last) return last.error();
  const auto row = last->step();
  if (!row) return row.error();
  const bool is_first = *row == Statement::Step::End;
  AuditEntry entry = given;
  entry.id = is_first ? 1 : last->integer(0) + 1;
  entry.hash = audit_hash(is_first ? audit_beginning() : std::string(last->text(1)), entry);
  auto insert = database.prepare(
      "INSERT INTO audit(id, time_us, author, action, subject, detail, origin, before, after, "
      "hash) VALUES(?,?,?,?,?,?,?,?,?,?)");
  if (!insert) return insert.error();
  insert->bind(entry.id).bind(base::to_unix_us(entry.time)).bind(entry.author).bind(entry.action);
  insert->bind(entry.subject).bind(entry.detail).bind(entry.origin).bind(entry.before);
  return insert->bind(entry.after).bind(entry.hash).run();
}

Result<AuditCheck> check_audit(Database& database, std::string_view head) {
  auto select = select_all(database);
  if (!select) return select.error();
  AuditCheck check;
  check.head = audit_beginning();
  std::int64_t previous = 0;
  while (true) {
    const auto row = select->step();
    if (!row) return row.error();
    if (*row == Statement::Step::End) break;
    const AuditEntry entry = entry_of(*select);
    ++check.entries;
    if (check.broken_at == 0 && entry.hash != audit_hash(check.head, entry)) {
      check.broken_at = entry.id;
      check.problem = entry.id == previous + 1 ? "it, or the one before it, is not what was written"
                                               : "what stood before it is missing";
    }
    previous = entry.id;
    check.head = entry.hash;
    if (!head.empty() && base::equals_ignoring_case(entry.hash, head)) check.has_head = true;
  }
  return check;
}

Result<void> chain_audit(Database& database) {
  auto select = select_all(database);
  if (!select) return select.error();
  std::string before = audit_beginning();
  while (true) {
    const auto row = select->step();
    if (!row) return row.error();
    if (*row == Statement::Step::End) return {};
    const AuditEntry entry = entry_of(*select);
    before = audit_hash(before, entry);
    auto update = database.prepare("UPDATE audit SET hash=?2 WHERE id=?1");
    if (!update) return update.error();
    if (const auto done = update->bind(entry.id).bind(before).run(); !done) return done;
  }
}

}  // namespace ekiden::account
