// The unsubscribe groups in the control store; see store.cpp for what holds of all of it.
#include "ekiden/account/store.hpp"
#include "ekiden/account/store_lists.hpp"

namespace ekiden::account {
namespace {

UnsubscribeGroup group_of(const Statement& row) {
  UnsubscribeGroup group;
  group.id = row.integer(0);
  group.tenant = row.text(1);
  group.name = row.text(2);
  group.description = row.text(3);
  group.is_default = row.integer(4) != 0;
  group.created = base::from_unix_us(row.integer(5));
  return group;
}

std::string subject_of(std::int64_t id) {
  return "group " + std::to_string(id);
}

}  // namespace

/// Inside the caller's transaction.
Result<void> Store::check_group(const UnsubscribeGroup& group) {
  if (const auto named = check_user_name(group.name); !named) return named;
  if (const auto tenant = require_tenant(group.tenant); !tenant) return tenant;
  auto select =
      database_.prepare("SELECT 1 FROM unsubscribe_groups WHERE tenant=? AND name=? AND id<>?");
  if (!select) return select.error();
  const auto taken = select->bind(group.tenant).bind(group.name).bind(group.id).step();
  if (!taken) return taken.error();
  if (*taken == Statement::Step::Row) return make_error_code(Errc::DuplicateName);
  if (!group.is_default) return {};
  // A tenant has one default.
  auto others = database_.prepare("UPDATE unsubscribe_groups SET is_default=0 WHERE tenant=?");
  if (!others) return others.error();
  return others->bind(group.tenant).run();
}

Result<std::int64_t> Store::add_unsubscribe_group(const UnsubscribeGroup& group,
                                                  const Author& author) {
  const std::lock_guard lock(mutex_);
  auto transaction = Transaction::begin(database_);
  if (!transaction) return transaction.error();
  if (const auto checked = check_group(group); !checked) return checked.error();
  auto count = database_.prepare("SELECT count(*) FROM unsubscribe_groups WHERE tenant=?");
  if (!count) return count.error();
  const auto counted = count->bind(group.tenant).step();
  if (!counted) return counted.error();
  if (count->integer(0) >= static_cast<std::int64_t>(kUnsubscribeGroupsMax))
    return make_error_code(Errc::TooMany);
  auto insert = database_.prepare(
      "INSERT INTO unsubscribe_groups(tenant, name, description, is_default, created_us) "
      "VALUES(?,?,?,?,?)");
  if (!insert) return insert.error();
  insert->bind(group.tenant).bind(group.name).bind(group.description);
  insert->bind(std::int64_t{group.is_default ? 1 : 0}).bind(base::to_unix_us(author.now));
  if (const auto done = insert->run(); !done) return done.error();
  const std::int64_t id = database_.last_row_id();
  const std::string detail = "tenant=" + group.tenant + " name=" + group.name;
  if (const auto noted = note(author, "group.add", subject_of(id), detail); !noted)
    return noted.error();
  if (const auto done = transaction->commit(); !done) return done.error();
  return id;
}

Result<std::vector<UnsubscribeGroup>> Store::unsubscribe_groups(std::string_view tenant) {
  const std::lock_guard lock(mutex_);
  auto select = database_.prepare(
      "SELECT id, tenant, name, description, is_default, created_us FROM unsubscribe_groups "
      "WHERE tenant=? ORDER BY id");
  if (!select) return select.error();
  select->bind(tenant);
  return read_rows<UnsubscribeGroup>(
      *select, "unsubscribe_group_unreadable",
      [](const Statement& row) { return std::optional<UnsubscribeGroup>(group_of(row)); });
}

Result<void> Store::set_unsubscribe_group(const UnsubscribeGroup& group, const Author& author) {
  const std::lock_guard lock(mutex_);
  auto transaction = Transaction::begin(database_);
  if (!transaction) return transaction.error();
  if (const auto checked = check_group(group); !checked) return checked;
  auto update = database_.prepare(
      "UPDATE unsubscribe_groups SET name=?, description=?, is_default=? WHERE id=? AND tenant=?");
  if (!update) return update.error();
  update->bind(group.name).bind(group.description).bind(std::int64_t{group.is_default ? 1 : 0});
  if (const auto done = update->bind(group.id).bind(group.tenant).run(); !done) return done;
  if (database_.rows_changed() == 0) return make_error_code(Errc::NotFound);
  if (const auto noted = note(author, "group.set", subject_of(group.id), "name=" + group.name);
      !noted) {
    return noted;
  }
  return transaction->commit();
}

Result<void> Store::remove_unsubscribe_group(std::string_view tenant, std::int64_t id,
                                             const Author& author) {
  const std::lock_guard lock(mutex_);
  auto transaction = Transaction::begin(database_);
  if (!transaction) return transaction.error();
  auto erase = database_.prepare("DELETE FROM unsubscribe_groups WHERE tenant=? AND id=?");
  if (!erase) return erase.error();
  if (const auto done = erase->bind(tenant).bind(id).run(); !done) return done;
  if (database_.rows_changed() == 0) return make_error_code(Errc::NotFound);
  if (const auto noted = note(author, "group.remove", subject_of(id), ""); !noted) return noted;
  return transaction->commit();
}

}  // namespace ekiden::account
