// Domains that tenants prove they own; see store.cpp for what holds of all of it.
#include "ekiden/account/store.hpp"

namespace ekiden::account {

Result<void> Store::add_sender_domain(const SenderDomain& domain, const Author& author) {
  const std::lock_guard lock(mutex_);
  auto transaction = Transaction::begin(database_);
  if (!transaction) return transaction.error();
  if (const auto tenant = require_tenant(domain.tenant); !tenant) return tenant;
  auto count = database_.prepare("SELECT count(*) FROM sender_domains WHERE tenant=?");
  if (!count) return count.error();
  const auto counted = count->bind(domain.tenant).step();
  if (!counted) return counted.error();
  if (count->integer(0) >= static_cast<std::int64_t>(kSenderDomainsMax))
    return make_error_code(Errc::TooMany);
  auto insert = database_.prepare(
      "INSERT OR IGNORE INTO sender_domains(tenant, name, token, created_us, proven_us, proof) "
      "VALUES(?,?,?,?,0,'')");
  if (!insert) return insert.error();
  insert->bind(domain.tenant).bind(domain.name).bind(domain.token);
  if (const auto done = insert->bind(base::to_unix_us(author.now)).run(); !done) return done;
  if (database_.rows_changed() == 0) return make_error_code(Errc::DuplicateName);
  if (const auto noted = note(author, "domain.add", domain.name, "tenant=" + domain.tenant);
      !noted) {
    return noted;
  }
  return transaction->commit();
}

Result<std::vector<SenderDomain>> Store::sender_domains(std::string_view tenant) {
  const std::lock_guard lock(mutex_);
  auto select = database_.prepare(
      "SELECT tenant, name, token, created_us, proven_us, proof FROM sender_domains "
      "WHERE ?1='' OR tenant=?1 ORDER BY tenant, name");
  if (!select) return select.error();
  select->bind(tenant);
  std::vector<SenderDomain> domains;
  while (true) {
    const auto row = select->step();
    if (!row) return row.error();
    if (*row == Statement::Step::End) return domains;
    SenderDomain domain;
    domain.tenant = select->text(0);
    domain.name = select->text(1);
    domain.token = select->text(2);
    domain.created = base::from_unix_us(select->integer(3));
    domain.proven = base::from_unix_us(select->integer(4));
    domain.proof = select->text(5);
    domains.push_back(std::move(domain));
  }
}

Result<void> Store::set_domain_proof(std::string_view tenant, std::string_view name,
                                     std::string_view proof, const Author& author) {
  const std::lock_guard lock(mutex_);
  auto transaction = Transaction::begin(database_);
  if (!transaction) return transaction.error();
  auto select = database_.prepare("SELECT proof FROM sender_domains WHERE tenant=? AND name=?");
  if (!select) return select.error();
  const auto row = select->bind(tenant).bind(name).step();
  if (!row) return row.error();
  if (*row == Statement::Step::End) return make_error_code(Errc::NotFound);
  const std::string before(select->text(0));
  if (before == proof) return {};
  auto update =
      database_.prepare("UPDATE sender_domains SET proof=?, proven_us=? WHERE tenant=? AND name=?");
  if (!update) return update.error();
  update->bind(proof).bind(proof.empty() ? std::int64_t{0} : base::to_unix_us(author.now));
  if (const auto done = update->bind(tenant).bind(name).run(); !done) return done;
  if (const auto noted = note(author, proof.empty() ? "domain.unproven" : "domain.proven", name,
                              "tenant=" + std::string(tenant), before, proof);
      !noted) {
    return noted;
  }
  if (const auto done = transaction->commit(); !done) return done;
  publish_or_log();
  return {};
}

Result<void> Store::remove_sender_domain(std::string_view tenant, std::string_view name,
                                         const Author& author) {
  const std::lock_guard lock(mutex_);
  auto transaction = Transaction::begin(database_);
  if (!transaction) return transaction.error();
  auto erase = database_.prepare("DELETE FROM sender_domains WHERE tenant=? AND name=?");
  if (!erase) return erase.error();
  if (const auto done = erase->bind(tenant).bind(name).run(); !done) return done;
  if (database_.rows_changed() == 0) return make_error_code(Errc::NotFound);
  if (const auto noted = note(author, "domain.remove", name, "tenant=" + std::string(tenant));
      !noted) {
    return noted;
  }
  if (const auto done = transaction->commit(); !done) return done;
  publish_or_log();
  return {};
}

}  // namespace ekiden::account
