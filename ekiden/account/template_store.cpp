#include "ekiden/account/template_store.hpp"

namespace ekiden::account {
namespace {

std::string subject_of(std::string_view id) {
  return "template " + std::string(id);
}

TemplateVersion version_of(const Statement& row) {
  TemplateVersion version;
  version.id = row.text(0);
  version.name = row.text(1);
  version.subject = row.text(2);
  version.html = row.text(3);
  version.text = row.text(4);
  version.created = base::from_unix_us(row.integer(5));
  version.changed = base::from_unix_us(row.integer(6));
  return version;
}

}  // namespace

Result<std::unique_ptr<TemplateStore>> TemplateStore::open(const std::string& data_dir) {
  auto database = Database::open(data_dir + "/control.db");
  if (!database) return database.error();
  return std::unique_ptr<TemplateStore>(new TemplateStore(std::move(*database)));
}

Result<void> TemplateStore::note(const Author& author, std::string_view action,
                                 std::string_view subject, std::string_view detail) {
  AuditEntry entry;
  entry.time = author.now;
  entry.author = author.name;
  entry.origin = author.origin;
  entry.action = action;
  entry.subject = subject;
  entry.detail = detail;
  return append_audit(database_, entry);
}

Result<void> TemplateStore::add(const MailTemplate& made, const Author& author) {
  const std::lock_guard lock(mutex_);
  auto transaction = Transaction::begin(database_);
  if (!transaction) return transaction.error();
  auto tenant = database_.prepare("SELECT 1 FROM tenants WHERE name=?");
  if (!tenant) return tenant.error();
  const auto known = tenant->bind(made.tenant).step();
  if (!known) return known.error();
  if (*known == Statement::Step::End) return make_error_code(Errc::UnknownTenant);
  auto count = database_.prepare("SELECT count(*) FROM templates WHERE tenant=?");
  if (!count) return count.error();
  if (const auto step = count->bind(made.tenant).step(); !step) return step.error();
  if (count->integer(0) >= static_cast<std::int64_t>(kTemplatesMax))
    return make_error_code(Errc::TooMany);
  auto insert = database_.prepare(
      "INSERT INTO templates(id, tenant, name, active, created_us, changed_us) "
      "VALUES(?,?,?,'',?,?)");
  if (!insert) return insert.error();
  insert->bind(made.id).bind(made.tenant).bind(made.name);
  insert->bind(base::to_unix_us(author.now)).bind(base::to_unix_us(author.now));
  if (const auto done = insert->run(); !done) return done.error();
  if (const auto noted = note(author, "template.add", subject_of(made.id),
                              "tenant " + made.tenant + ", " + made.name);
      !noted)
    return noted.error();
  return transaction->commit();
}

Result<std::vector<MailTemplate>> TemplateStore::templates(std::string_view tenant,
                                                           std::string_view id) {
  const std::lock_guard lock(mutex_);
  auto select = database_.prepare(
      "SELECT id, tenant, name, active, created_us, changed_us FROM templates "
      "WHERE (?='' OR tenant=?) AND (?='' OR id=?) ORDER BY tenant, created_us, id");
  if (!select) return select.error();
  select->bind(tenant).bind(tenant).bind(id).bind(id);
  std::vector<MailTemplate> found;
  while (true) {
    const auto step = select->step();
    if (!step) return step.error();
    if (*step == Statement::Step::End) break;
    MailTemplate one;
    one.id = select->text(0);
    one.tenant = select->text(1);
    one.name = select->text(2);
    one.active = select->text(3);
    one.created = base::from_unix_us(select->integer(4));
    one.changed = base::from_unix_us(select->integer(5));
    found.push_back(std::move(one));
  }
  // A list has the versions without their texts.
  auto versions = database_.prepare(
      id.empty() ? "SELECT id, name, subject, '', '', created_us, changed_us "
                   "FROM template_versions WHERE template=? ORDER BY created_us, id"
                 : "SELECT id, name, subject, html, text, created_us, changed_us "
                   "FROM template_versions WHERE template=? ORDER BY created_us, id");
  if (!versions) return versions.error();
  for (MailTemplate& one : found) {
    versions->bind(one.id);
    while (true) {
      const auto step = versions->step();
      if (!step) return step.error();
      if (*step == Statement::Step::End) break;
      one.versions.push_back(version_of(*versions));
    }
    versions->reset();
  }
  return found;
}

Result<void> TemplateStore::rename(std::string_view id, std::string_view name,
                                   const Author& author) {
  const std::lock_guard lock(mutex_);
  auto transaction = Transaction::begin(database_);
  if (!transaction) return transaction.error();
  auto update = database_.prepare("UPDATE templates SET name=?, changed_us=? WHERE id=?");
  if (!update) return update.error();
  update->bind(name).bind(base::to_unix_us(author.now)).bind(id);
  if (const auto done = update->run(); !done) return done.error();
  if (database_.rows_changed() == 0) return make_error_code(Errc::NotFound);
  if (const auto noted = note(author, "template.rename", subject_of(id), name); !noted)
    return noted.error();
  return transaction->commit();
}

Result<void> TemplateStore::remove(std::string_view id, const Author& author) {
  const std::lock_guard lock(mutex_);
  auto transaction = Transaction::begin(database_);
  if (!transaction) return transaction.error();
  auto erase = database_.prepare("DELETE FROM templates WHERE id=?");
  if (!erase) return erase.error();
  if (const auto done = erase->bind(id).run(); !done) return done.error();
  if (database_.rows_changed() == 0) return make_error_code(Errc::NotFound);
  auto versions = database_.prepare("DELETE FROM template_versions WHERE template=?");
  if (!versions) return versions.error();
  if (const auto done = versions->bind(id).run(); !done) return done.error();
  if (const auto noted = note(author, "template.remove", subject_of(id), ""); !noted)
    return noted.error();
  return transaction->commit();
}

Result<void> TemplateStore::put_version(std::string_view id, const TemplateVersion& version,
                                        bool is_active, const Author& author) {
  const std::lock_guard lock(mutex_);
  auto transaction = Transaction::begin(database_);
  if (!transaction) return transaction.error();
  auto count = database_.prepare(
      "SELECT (SELECT count(*) FROM templates WHERE id=?1), "
      "(SELECT count(*) FROM template_versions WHERE template=?1 AND id<>?2)");
  if (!count) return count.error();
  if (const auto step = count->bind(id).bind(version.id).step(); !step) return step.error();
  if (count->integer(0) == 0) return make_error_code(Errc::NotFound);
  if (count->integer(1) >= static_cast<std::int64_t>(kTemplateVersionsMax))
    return make_error_code(Errc::TooMany);
  auto put = database_.prepare(
      "INSERT INTO template_versions(id, template, name, subject, html, text, created_us, "
      "changed_us) VALUES(?1,?2,?3,?4,?5,?6,?7,?7) ON CONFLICT(id) DO UPDATE SET name=?3, "
      "subject=?4, html=?5, text=?6, changed_us=?7");
  if (!put) return put.error();
  put->bind(version.id).bind(id).bind(version.name).bind(version.subject).bind(version.html);
  put->bind(version.text).bind(base::to_unix_us(author.now));
  if (const auto done = put->run(); !done) return done.error();
  // The first version is active, whatever is said.
  auto update = database_.prepare(
      "UPDATE templates SET active=CASE WHEN ?1 OR active='' THEN ?2 ELSE active END, "
      "changed_us=?3 WHERE id=?4");
  if (!update) return update.error();
  update->bind(std::int64_t{is_active}).bind(version.id).bind(base::to_unix_us(author.now));
  if (const auto done = update->bind(id).run(); !done) return done.error();
  if (const auto noted = note(author, "template.version", subject_of(id),
                              version.id + (is_active ? ", active" : ""));
      !noted)
    return noted.error();
  return transaction->commit();
}

Result<void> TemplateStore::activate(std::string_view id, std::string_view version,
                                     const Author& author) {
  const std::lock_guard lock(mutex_);
  auto transaction = Transaction::begin(database_);
  if (!transaction) return transaction.error();
  auto update = database_.prepare(
      "UPDATE templates SET active=?2, changed_us=?3 WHERE id=?1 AND EXISTS "
      "(SELECT 1 FROM template_versions WHERE template=?1 AND id=?2)");
  if (!update) return update.error();
  update->bind(id).bind(version).bind(base::to_unix_us(author.now));
  if (const auto done = update->run(); !done) return done.error();
  if (database_.rows_changed() == 0) return make_error_code(Errc::NotFound);
  if (const auto noted = note(author, "template.activate", subject_of(id), version); !noted)
    return noted.error();
  return transaction->commit();
}

Result<void> TemplateStore::remove_version(std::string_view id, std::string_view version,
                                           const Author& author) {
  const std::lock_guard lock(mutex_);
  auto transaction = Transaction::begin(database_);
  if (!transaction) return transaction.error();
  auto erase = database_.prepare("DELETE FROM template_versions WHERE template=? AND id=?");
  if (!erase) return erase.error();
  if (const auto done = erase->bind(id).bind(version).run(); !done) return done.error();
  if (database_.rows_changed() == 0) return make_error_code(Errc::NotFound);
  auto update = database_.prepare("UPDATE templates SET active='' WHERE id=? AND active=?");
  if (!update) return update.error();
  if (const auto done = update->bind(id).bind(version).run(); !done) return done.error();
  if (const auto noted = note(author, "template.version.remove", subject_of(id), version); !noted)
    return noted.error();
  return transaction->commit();
}

}  // namespace ekiden::account
