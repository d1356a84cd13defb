#include "ekiden/account/schema.hpp"

#include <array>
#include <string>

#include "ekiden/account/audit.hpp"
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
    // 3: what tenants may do and have used, who is suppressed, domains that are proven, and an
    // audit log whose entries hold each other. `chain_audit` does the rest.
    R"(
CREATE TABLE tenant_settings(
  tenant TEXT PRIMARY KEY,
  settings TEXT NOT NULL                 -- JSON
) STRICT, WITHOUT ROWID;

CREATE TABLE credential_limits(
  name TEXT PRIMARY KEY,
  limits TEXT NOT NULL                   -- JSON
) STRICT, WITHOUT ROWID;

CREATE TABLE usage(
  subject TEXT PRIMARY KEY,              -- 'tenant NAME', 'user NAME'
  day INTEGER NOT NULL,
  day_count INTEGER NOT NULL,
  month INTEGER NOT NULL,
  month_count INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE suppressions(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant TEXT NOT NULL,
  address TEXT NOT NULL,
  stream TEXT NOT NULL,                  -- '': all, '+bulk': all but transactional ones
  reason TEXT NOT NULL,
  created_us INTEGER NOT NULL,
  expires_us INTEGER NOT NULL,           -- 0: never
  note TEXT NOT NULL,
  source TEXT NOT NULL,
  UNIQUE(tenant, address, stream, reason)
) STRICT;
-- Which addresses changed, for a node that has the others in memory.
CREATE TABLE suppression_changes(
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant TEXT NOT NULL,
  address TEXT NOT NULL
) STRICT;
CREATE TRIGGER suppression_added AFTER INSERT ON suppressions BEGIN
  INSERT INTO suppression_changes(tenant, address) VALUES(new.tenant, new.address);
END;
CREATE TRIGGER suppression_changed AFTER UPDATE ON suppressions BEGIN
  INSERT INTO suppression_changes(tenant, address) VALUES(new.tenant, new.address);
END;
CREATE TRIGGER suppression_removed AFTER DELETE ON suppressions BEGIN
  INSERT INTO suppression_changes(tenant, address) VALUES(old.tenant, old.address);
END;

CREATE TABLE soft_failures(
  tenant TEXT NOT NULL,
  address TEXT NOT NULL,
  failures INTEGER NOT NULL,
  last_us INTEGER NOT NULL,
  last_event TEXT NOT NULL,
  PRIMARY KEY(tenant, address)
) STRICT, WITHOUT ROWID;

CREATE TABLE cursors(
  name TEXT PRIMARY KEY,
  position TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE sender_domains(
  tenant TEXT NOT NULL,
  name TEXT NOT NULL,
  token TEXT NOT NULL,
  created_us INTEGER NOT NULL,
  proven_us INTEGER NOT NULL,            -- 0: not yet
  proof TEXT NOT NULL,                   -- 'txt', 'dkim'
  PRIMARY KEY(tenant, name)
) STRICT, WITHOUT ROWID;

ALTER TABLE audit ADD COLUMN origin TEXT NOT NULL DEFAULT '';
ALTER TABLE audit ADD COLUMN before TEXT NOT NULL DEFAULT '';
ALTER TABLE audit ADD COLUMN after TEXT NOT NULL DEFAULT '';
ALTER TABLE audit ADD COLUMN hash TEXT NOT NULL DEFAULT '';
)",
    // 4: keys of the API.
    R"(
CREATE TABLE api_keys(
  id INTEGER PRIMARY KEY AUTOINCREMENT,  -- never given twice: events and logs name it
  name TEXT NOT NULL UNIQUE,
  tenant TEXT NOT NULL REFERENCES tenants(name),
  stream TEXT NOT NULL,
  streams TEXT NOT NULL,
  sender_domains TEXT NOT NULL,
  networks TEXT NOT NULL,
  scopes TEXT NOT NULL,                  -- '': whatever the role allows
  role TEXT NOT NULL,
  key_hash TEXT NOT NULL UNIQUE,
  blastengine_hash TEXT NOT NULL UNIQUE,
  created_us INTEGER NOT NULL,
  expires_us INTEGER NOT NULL            -- 0: never
) STRICT;
CREATE INDEX api_keys_by_tenant ON api_keys(tenant);
)",
    // 5: webhooks, and what operators ask of them.
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
    // 6: templates of mail, in versions.
    R"(
CREATE TABLE templates(
  id TEXT PRIMARY KEY,
  tenant TEXT NOT NULL,
  name TEXT NOT NULL,
  active TEXT NOT NULL,                  -- a version's id; '': none
  created_us INTEGER NOT NULL,
  changed_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX templates_by_tenant ON templates(tenant, created_us);

CREATE TABLE template_versions(
  id TEXT PRIMARY KEY,
  template TEXT NOT NULL,
  name TEXT NOT NULL,
  subject TEXT NOT NULL,
  html TEXT NOT NULL,
  text TEXT NOT NULL,
  created_us INTEGER NOT NULL,
  changed_us INTEGER NOT NULL
) STRICT;
CREATE INDEX template_versions_by_template ON template_versions(template, created_us);
)",
    // 7: groups that recipients leave by themselves.
    R"(
CREATE TABLE unsubscribe_groups(
  id INTEGER PRIMARY KEY AUTOINCREMENT,  -- never given twice: streams are named by it
  tenant TEXT NOT NULL,
  name TEXT NOT NULL,
  description TEXT NOT NULL,
  is_default INTEGER NOT NULL,
  created_us INTEGER NOT NULL,
  UNIQUE(tenant, name)
) STRICT;
)",
    // 8: batches of scheduled mail that are paused or cancelled.
    R"(
CREATE TABLE scheduled_sends(
  tenant TEXT NOT NULL,
  batch TEXT NOT NULL,
  stop TEXT NOT NULL,                    -- pause, cancel, resuming
  created_us INTEGER NOT NULL,
  PRIMARY KEY(tenant, batch)
) STRICT, WITHOUT ROWID;
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
    const std::string_view sql = kSteps[step];
    if (const auto done = database.run(std::string(sql)); !done) return done;
    if (sql.find("ALTER TABLE audit ADD COLUMN hash") == std::string_view::npos) continue;
    if (const auto done = chain_audit(database); !done) return done;
  }
  std::string end = "INSERT OR IGNORE INTO tenants(name, created_us) VALUES('default', ";
  end += std::to_string(base::to_unix_us(now)) + "); PRAGMA application_id=";
  end += std::to_string(kApplicationId) + "; PRAGMA user_version=" + std::to_string(kSteps.size());
  if (const auto done = database.run(end); !done) return done;
  return transaction->commit();
}

}  // namespace ekiden::account
