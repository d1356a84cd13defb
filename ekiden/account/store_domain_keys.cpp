// The signing keys in the control store; see store.cpp for what holds of all of it.
#include "ekiden/account/store.hpp"
#include "ekiden/account/store_lists.hpp"

namespace ekiden::account {
namespace {

constexpr std::string_view kColumns =
    "id, domain, selector, type, bits, tenant, record, sealed, state, created_us, changed_us, "
    "last_signed_us";

/// Nothing when a field makes no sense.
std::optional<DomainKey> key_of(const Statement& row) {
  const auto state = parse_domain_key_state(row.text(8));
  if (!state) return std::nullopt;
  DomainKey key;
  key.id = row.integer(0);
  key.domain = row.text(1);
  key.selector = row.text(2);
  key.type = row.text(3);
  key.bits = static_cast<std::uint32_t>(row.integer(4));
  key.tenant = row.text(5);
  key.record = row.text(6);
  key.sealed = row.text(7);
  key.state = *state;
  key.created = base::from_unix_us(row.integer(9));
  key.changed = base::from_unix_us(row.integer(10));
  key.last_signed = base::from_unix_us(row.integer(11));
  return key;
}

}  // namespace

Result<std::int64_t> Store::add_domain_key(const DomainKey& key, const Author& author) {
  const std::lock_guard lock(mutex_);
  auto transaction = Transaction::begin(database_);
  if (!transaction) return transaction.error();
  if (!key.tenant.empty()) {
    if (const auto tenant = require_tenant(key.tenant); !tenant) return tenant.error();
  }
  const auto count = database_.integer("SELECT count(*) FROM domain_keys");
  if (!count) return count.error();
  if (*count >= static_cast<std::int64_t>(kDomainKeysMax)) return make_error_code(Errc::TooMany);
  auto select = database_.prepare("SELECT 1 FROM domain_keys WHERE domain=? AND selector=?");
  if (!select) return select.error();
  const auto taken = select->bind(key.domain).bind(key.selector).step();
  if (!taken) return taken.error();
  // A selector is never used again: what its old key signed would look forged.
  if (*taken == Statement::Step::Row) return make_error_code(Errc::DuplicateName);

  auto insert = database_.prepare(
      "INSERT INTO domain_keys(domain, selector, type, bits, tenant, record, sealed, state, "
      "created_us, changed_us, last_signed_us) VALUES(?,?,?,?,?,?,?,?,?,?,0)");
  if (!insert) return insert.error();
  insert->bind(key.domain).bind(key.selector).bind(key.type).bind(std::int64_t{key.bits});
  insert->bind(key.tenant).bind(key.record).bind_octets(key.sealed);
  insert->bind(domain_key_state_name(key.state));
  insert->bind(base::to_unix_us(author.now)).bind(base::to_unix_us(author.now));
  if (const auto done = insert->run(); !done) return done.error();
  const std::int64_t id = database_.last_row_id();
  if (const auto noted = note(author, "dkim.keygen", key.record_name(), key.type); !noted) {
    return noted.error();
  }
  if (const auto done = transaction->commit(); !done) return done.error();
  publish_or_log();
  return id;
}

Result<std::vector<DomainKey>> Store::domain_keys(std::string_view domain) {
  const std::lock_guard lock(mutex_);
  return read_domain_keys(domain);
}

Result<void> Store::set_domain_key_state(std::int64_t id, DomainKeyState from, DomainKeyState to,
                                         const Author& author) {
  const std::lock_guard lock(mutex_);
  auto transaction = Transaction::begin(database_);
  if (!transaction) return transaction.error();
  auto update =
      database_.prepare("UPDATE domain_keys SET state=?, changed_us=? WHERE id=? AND state=?");
  if (!update) return update.error();
  update->bind(domain_key_state_name(to)).bind(base::to_unix_us(author.now));
  update->bind(id).bind(domain_key_state_name(from));
  if (const auto done = update->run(); !done) return done.error();
  // Somebody else was faster, or there is no such key.
  if (database_.rows_changed() == 0) return make_error_code(Errc::NotFound);
  const std::string action = "dkim." + std::string(domain_key_state_name(to));
  if (const auto noted = note(author, action, "key " + std::to_string(id), ""); !noted) {
    return noted.error();
  }
  if (const auto done = transaction->commit(); !done) return done.error();
  publish_or_log();
  return {};
}

Result<void> Store::note_signed(std::int64_t id, base::Time when) {
  const std::lock_guard lock(mutex_);
  auto update =
      database_.prepare("UPDATE domain_keys SET last_signed_us=max(last_signed_us, ?) WHERE id=?");
  if (!update) return update.error();
  return update->bind(base::to_unix_us(when)).bind(id).run();
}

Result<std::vector<DomainKey>> Store::read_domain_keys(std::string_view domain) {
  auto select = database_.prepare("SELECT " + std::string(kColumns) +
                                  " FROM domain_keys WHERE ?1='' OR domain=?1 "
                                  "ORDER BY domain, id");
  if (!select) return select.error();
  select->bind(domain);
  return read_rows<DomainKey>(*select, "domain_key_unreadable", key_of);
}

}  // namespace ekiden::account
