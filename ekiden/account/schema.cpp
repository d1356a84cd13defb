#include "ekiden/account/schema.hpp"

#include <array>
#include <string>

#include "ekiden/account/error.hpp"

namespace ekiden::account {
namespace {

constexpr std::int64_t kApplicationId = 0x656b6964;  // "ekid"

// One step for each version, never changed once released: a new version is a new step.
// Times are microseconds since the Unix epoch. Lists are joined by spaces, which no member has.
constexpr std::array kSteps = {
    // 1: users, their tenants, and who changed what.
    R"(
CREATE TABLE tenants(
  name TEXT PRIMARY KEY,
  created_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE credentials(
  id INTEGER PRIMARY KEY AUTOINCREMENT,  -- never given twice: caches are keyed by it
  version INTEGER NOT NULL,
  name TEXT NOT NULL UNIQUE,
  tenant TEXT NOT NULL REFERENCES tenants(name),
  stream TEXT NOT NULL,
  streams TEXT NOT NULL,
  sender_domains TEXT NOT NULL,
  networks TEXT NOT NULL,
  argon2id TEXT NOT NULL,
  key_hash TEXT NOT NULL,
  scram_stored_key BLOB NOT NULL,
  scram_server_key BLOB NOT NULL,
  scram_salt BLOB NOT NULL,
  scram_iterations INTEGER NOT NULL,
  certificate_sha256 TEXT UNIQUE,
  created_us INTEGER NOT NULL,
  changed_us INTEGER NOT NULL
) STRICT;
CREATE INDEX credentials_by_tenant ON credentials(tenant);

CREATE TABLE audit(
  id INTEGER PRIMARY KEY,
  time_us INTEGER NOT NULL,
  author TEXT NOT NULL,
  action TEXT NOT NULL,
  subject TEXT NOT NULL,
  detail TEXT NOT NULL
) STRICT;
)",
    // 2: signing keys.
    R"(
CREATE TABLE domain_keys(
  id INTEGER PRIMARY KEY AUTOINCREMENT,  -- never given twice: caches are keyed by it
  domain TEXT NOT NULL,
  selector TEXT NOT NULL,
  type TEXT NOT NULL,
  bits INTEGER NOT NULL,
  tenant TEXT NOT NULL,                  -- '': every tenant's mail
  record TEXT NOT NULL,
  sealed BLOB NOT NULL,                  -- secretbox: nonce, then the PEM sealed
  state TEXT NOT NULL,
  created_us INTEGER NOT NULL,
  changed_us INTEGER NOT NULL,
  last_signed_us INTEGER NOT NULL,
  UNIQUE(domain, selector)
) STRICT;
)",
    // 3: webhooks, and what operators ask of them.
    R"(
CREATE TABLE webhooks(
  id INTEGER PRIMARY KEY AUTOINCREMENT,  -- never given twice: cursors are keyed by it
  tenant TEXT NOT NULL REFERENCES tenants(name),
  origin TEXT NOT NULL,                  -- scheme, host and port, for people
  sealed_url BLOB NOT NULL,              -- secretbox, as everything sealed here
  format TEXT NOT NULL,
  kinds TEXT NOT NULL,                   -- '': all
  streams TEXT NOT NULL,                 -- '': all
  batch_max INTEGER NOT NULL,
  sealed_secret BLOB NOT NULL,
  sealed_previous BLOB NOT NULL,         -- the secret before it; '': none
  previous_until_us INTEGER NOT NULL,
  state TEXT NOT NULL,
  reason TEXT NOT NULL,
  created_us INTEGER NOT NULL,
  changed_us INTEGER NOT NULL
) STRICT;
CREATE INDEX webhooks_by_tenant ON webhooks(tenant);

CREATE TABLE webhook_orders(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  webhook INTEGER NOT NULL REFERENCES webhooks(id) ON DELETE CASCADE,
  kind TEXT NOT NULL,
  from_us INTEGER NOT NULL,
  until_us INTEGER NOT NULL,
  created_us INTEGER NOT NULL,
  done_us INTEGER NOT NULL,              -- 0: open
  is_done_well INTEGER NOT NULL,
  outcome TEXT NOT NULL
) STRICT;
CREATE INDEX webhook_orders_by_webhook ON webhook_orders(webhook, id);
)",
};

}  // namespace

Result<void> migrate_schema(Database& database, base::Time now) {
  const auto version = database.integer("PRAGMA user_version");
  if (!version) return version.error();
  if (*version == static_cast<std::int64_t>(kSteps.size())) {
    const auto application = database.integer("PRAGMA application_id");
    if (!application) return application.error();
    if (*application != kApplicationId) return make_error_code(Errc::Corrupt);
    return {};
  }

  auto transaction = Transaction::begin(database);
  if (!transaction) return transaction.error();
  // Again under the lock: another process may have migrated meanwhile.
  const auto before = database.integer("PRAGMA user_version");
  if (!before) return before.error();
  if (*before > static_cast<std::int64_t>(kSteps.size())) {
    return make_error_code(Errc::NewerSchema);
  }
  if (*before == 0) {
    const auto tables = database.integer("SELECT count(*) FROM sqlite_schema");
    if (!tables) return tables.error();
    if (*tables != 0) return make_error_code(Errc::Corrupt);
  }
  for (auto step = static_cast<std::size_t>(*before); step < kSteps.size(); ++step) {
    if (const auto done = database.run(kSteps[step]); !done) return done;
  }
  std::string end = "INSERT OR IGNORE INTO tenants VALUES('default', ";
  end += std::to_string(base::to_unix_us(now)) + "); PRAGMA application_id=";
  end += std::to_string(kApplicationId) + "; PRAGMA user_version=" + std::to_string(kSteps.size());
  if (const auto done = database.run(end); !done) return done;
  return transaction->commit();
}

}  // namespace ekiden::account
