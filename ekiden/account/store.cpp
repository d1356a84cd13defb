// What holds here:
// - Everything written is written inside one transaction with its audit entry.
// - A snapshot is never older than the data_version it is filed under: the version is read first,
//   so that a change in between is seen again, not missed.
// - A row that cannot be understood is left out of snapshots: a limit we cannot read must not
//   become no limit.
#include "ekiden/account/store.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "ekiden/account/schema.hpp"
#include "ekiden/account/store_lists.hpp"
#include "ekiden/base/log.hpp"
#include "ekiden/base/text.hpp"

namespace ekiden::account {
namespace {

bool is_lower_hex(std::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

Result<void> check(const Credential& c) {
  if (const auto name = check_user_name(c.name); !name) return name;
  if (const auto tenant = check_label(c.tenant); !tenant) return tenant;
  if (const auto stream = check_label(c.stream); !stream) return stream;
  for (const std::string& stream : c.streams) {
    if (const auto ok = check_label(stream); !ok) return ok;
  }
  if (c.streams.size() > kListMax || c.networks.size() > kListMax ||
      c.sender_domains.size() > kListMax) {
    return make_error_code(Errc::TooMany);
  }
  if (!c.certificate_sha256.empty() &&
      (c.certificate_sha256.size() != 64 || !is_lower_hex(c.certificate_sha256))) {
    return make_error_code(Errc::BadCertificate);
  }
  return {};
}

void bind_secrets(Statement& statement, const Secrets& secrets) {
  statement.bind(secrets.argon2id).bind(secrets.key_hash);
  statement.bind_octets(secrets.scram.stored_key).bind_octets(secrets.scram.server_key);
  statement.bind_octets(secrets.scram.salt).bind(std::int64_t{secrets.scram.iterations});
}

constexpr std::string_view kColumns =
    "id, version, name, tenant, stream, streams, sender_domains, networks, argon2id, key_hash, "
    "scram_stored_key, scram_server_key, scram_salt, scram_iterations, certificate_sha256";

/// Nothing when a field makes no sense.
std::optional<Credential> credential_of(const Statement& row) {
  Credential c;
  c.id = row.integer(0);
  c.version = static_cast<std::uint64_t>(row.integer(1));
  c.name = row.text(2);
  c.tenant = row.text(3);
  c.stream = row.text(4);
  c.streams = split_list(row.text(5));
  c.sender_domains = split_list(row.text(6));
  for (const std::string& text : split_list(row.text(7))) {
    const auto block = net::parse_address_block(text);
    if (!block) return std::nullopt;
    c.networks.push_back(*block);
  }
  c.argon2id = row.text(8);
  c.key_hash = row.text(9);
  c.scram_stored_key = row.text(10);
  c.scram_server_key = row.text(11);
  c.scram_salt = row.text(12);
  c.scram_iterations = static_cast<std::uint32_t>(row.integer(13));
  c.certificate_sha256 = row.text(14);
  if (!check(c)) return std::nullopt;
  return c;
}

/// What may be told of a credential, for the audit log.
std::string described(const Credential& c) {
  const auto text_of = [](const net::AddressBlock& block) { return block.text(); };
  std::string out = "tenant=" + c.tenant + " stream=" + c.stream;
  if (!c.streams.empty()) out += " streams=" + join_list(c.streams);
  if (!c.sender_domains.empty()) out += " sender_domains=" + join_list(c.sender_domains);
  if (!c.networks.empty()) out += " networks=" + join_list(c.networks, text_of);
  if (!c.certificate_sha256.empty()) out += " certificate=" + c.certificate_sha256;
  return out;
}

}  // namespace

Result<void> check_user_name(std::string_view name) {
  const bool has_control = std::any_of(name.begin(), name.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  });
  if (name.empty() || name.size() > 255 || has_control || !base::is_valid_utf8(name) ||
      name.front() == ' ' || name.back() == ' ') {
    return make_error_code(Errc::BadName);
  }
  return {};
}

Result<void> check_label(std::string_view label) {
  constexpr std::string_view kFirst = "abcdefghijklmnopqrstuvwxyz0123456789";
  constexpr std::string_view kRest = "abcdefghijklmnopqrstuvwxyz0123456789-_.";
  if (label.empty() || label.size() > 63 || kFirst.find(label[0]) == std::string_view::npos ||
      label.find_first_not_of(kRest) != std::string_view::npos) {
    return make_error_code(Errc::BadLabel);
  }
  return {};
}

Result<std::unique_ptr<Store>> Store::open(const std::string& data_dir, base::Time now,
                                           std::string* problem) {
  const std::string path = data_dir + "/control.db";
  std::string words;
  const auto fail = [&](Error error) {
    if (problem != nullptr) {
      *problem = path + ": " + error.message() + (words.empty() ? "" : " (" + words + ")");
    }
    return error;
  };
  auto database = Database::open(path, &words);
  if (!database) return fail(database.error());
  if (const auto migrated = migrate_schema(*database, now); !migrated) {
    return fail(migrated.error());
  }
  return std::unique_ptr<Store>(new Store(std::move(*database)));
}

Result<std::int64_t> Store::add(const Credential& c, const Secrets& secrets, const Author& author) {
  if (const auto checked = check(c); !checked) return checked.error();
  const std::lock_guard lock(mutex_);
  auto transaction = Transaction::begin(database_);
  if (!transaction) return transaction.error();
  if (const auto tenant = require_tenant(c.tenant); !tenant) return tenant.error();

  const auto is_taken = [this](std::string_view sql,
                               std::string_view value) -> Result<Statement::Step> {
    auto statement = database_.prepare(sql);
    if (!statement) return statement.error();
    return statement->bind(value).step();
  };
  const auto name_taken = is_taken("SELECT 1 FROM credentials WHERE name=?", c.name);
  if (!name_taken) return name_taken.error();
  if (*name_taken == Statement::Step::Row) return make_error_code(Errc::DuplicateName);
  if (!c.certificate_sha256.empty()) {
    const auto certificate_taken =
        is_taken("SELECT 1 FROM credentials WHERE certificate_sha256=?", c.certificate_sha256);
    if (!certificate_taken) return certificate_taken.error();
    if (*certificate_taken == Statement::Step::Row)
      return make_error_code(Errc::DuplicateCertificate);
  }

  auto insert = database_.prepare(
      "INSERT INTO credentials(version, name, tenant, stream, streams, sender_domains, networks, "
      "argon2id, key_hash, scram_stored_key, scram_server_key, scram_salt, scram_iterations, "
      "certificate_sha256, created_us, changed_us) VALUES(1,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)");
  if (!insert) return insert.error();
  insert->bind(c.name).bind(c.tenant).bind(c.stream).bind(join_list(c.streams));
  insert->bind(join_list(c.sender_domains));
  insert->bind(join_list(c.networks, [](const net::AddressBlock& b) { return b.text(); }));
  bind_secrets(*insert, secrets);
  insert->bind_or_null(c.certificate_sha256);
  insert->bind(base::to_unix_us(author.now)).bind(base::to_unix_us(author.now));
  if (const auto done = insert->run(); !done) return done.error();
  const std::int64_t id = database_.last_row_id();
  if (const auto noted = note(author, "user.add", c.name, "tenant " + c.tenant, {}, described(c));
      !noted) {
    return noted.error();
  }
  if (const auto done = transaction->commit(); !done) return done.error();
  publish_or_log();
  return id;
}

Result<void> Store::set_secrets(std::string_view name, const Secrets& secrets,
                                const Author& author) {
  const std::lock_guard lock(mutex_);
  auto transaction = Transaction::begin(database_);
  if (!transaction) return transaction.error();
  auto update = database_.prepare(
      "UPDATE credentials SET version=version+1, argon2id=?, key_hash=?, scram_stored_key=?, "
      "scram_server_key=?, scram_salt=?, scram_iterations=?, changed_us=? WHERE name=?");
  if (!update) return update.error();
  bind_secrets(*update, secrets);
  update->bind(base::to_unix_us(author.now)).bind(name);
  if (const auto done = update->run(); !done) return done;
  if (database_.rows_changed() == 0) return make_error_code(Errc::NotFound);
  if (const auto noted = note(author, "user.passwd", name, ""); !noted) return noted;
  if (const auto done = transaction->commit(); !done) return done;
  publish_or_log();
  return {};
}

Result<void> Store::remove(std::string_view name, const Author& author) {
  const std::lock_guard lock(mutex_);
  auto transaction = Transaction::begin(database_);
  if (!transaction) return transaction.error();
  auto select =
      database_.prepare("SELECT " + std::string(kColumns) + " FROM credentials WHERE name=?");
  if (!select) return select.error();
  const auto row = select->bind(name).step();
  if (!row) return row.error();
  if (*row == Statement::Step::End) return make_error_code(Errc::NotFound);
  const auto gone = credential_of(*select);
  for (const char* sql :
       {"DELETE FROM credentials WHERE name=?", "DELETE FROM credential_limits WHERE name=?"}) {
    auto erase = database_.prepare(sql);
    if (!erase) return erase.error();
    if (const auto done = erase->bind(name).run(); !done) return done;
  }
  if (const auto noted =
          note(author, "user.remove", name, "", gone ? described(*gone) : std::string());
      !noted) {
    return noted;
  }
  if (const auto done = transaction->commit(); !done) return done;
  publish_or_log();
  return {};
}

Result<std::vector<Credential>> Store::list(std::string_view tenant) {
  const std::lock_guard lock(mutex_);
  if (!tenant.empty()) {
    if (const auto known = require_tenant(tenant); !known) return known.error();
  }
  return read_credentials(tenant);
}

Result<void> Store::add_audit(std::string_view action, std::string_view subject,
                              std::string_view detail, const Author& author) {
  const std::lock_guard lock(mutex_);
  auto transaction = Transaction::begin(database_);
  if (!transaction) return transaction.error();
  if (const auto noted = note(author, action, subject, detail); !noted) return noted;
  return transaction->commit();
}

Result<std::vector<AuditEntry>> Store::audit(std::size_t count, std::int64_t before) {
  const std::lock_guard lock(mutex_);
  auto select = database_.prepare(
      "SELECT time_us, author, action, subject, detail, before, after, origin, id, hash "
      "FROM audit WHERE id<? ORDER BY id DESC LIMIT ?");
  if (!select) return select.error();
  select->bind(before).bind(static_cast<std::int64_t>(count));
  std::vector<AuditEntry> entries;
  while (true) {
    const auto row = select->step();
    if (!row) return row.error();
    if (*row == Statement::Step::End) return entries;
    const auto text = [&](int column) { return std::string(select->text(column)); };
    entries.push_back({base::from_unix_us(select->integer(0)), text(1), text(2), text(3), text(4),
                       text(5), text(6), text(7), select->integer(8), text(9)});
  }
}

Result<AuditCheck> Store::check_audit(std::string_view head) {
  const std::lock_guard lock(mutex_);
  return account::check_audit(database_, head);
}

std::int64_t Store::rows_written() {
  const std::lock_guard lock(mutex_);
  return database_.all_rows_changed();
}

Result<Store::Refresh> Store::refresh() {
  const std::lock_guard lock(mutex_);
  is_live_ = true;
  const auto version = database_.integer("PRAGMA data_version");
  if (!version) return version.error();
  if (*version == seen_version_) return Refresh::Unchanged;
  if (const auto published = publish(); !published) return published.error();
  return Refresh::Changed;
}

Result<void> Store::publish() {
  const auto version = database_.integer("PRAGMA data_version");
  if (!version) return version.error();
  auto credentials = read_credentials({});
  if (!credentials) return credentials.error();
  auto keys = read_domain_keys({});
  if (!keys) return keys.error();
  auto api_keys = read_api_keys({});
  if (!api_keys) return api_keys.error();
  auto rules = read_rules(*credentials, *api_keys);
  if (!rules) return rules.error();
  auto webhooks = read_webhooks({});
  if (!webhooks) return webhooks.error();
  const auto sends = read_scheduled_sends();
  if (!sends) return sends.error();
  if (is_live_) {
    if (const auto read = read_suppressions(); !read) return read;
  }
  snapshot_.store(std::make_shared<const StoredSnapshot>(std::move(*credentials),
                                                         std::move(*api_keys), std::move(*rules)));
  if (*keys != *domain_keys_.load()) {
    domain_keys_.store(std::make_shared<const std::vector<DomainKey>>(std::move(*keys)));
  }
  if (*webhooks != *webhooks_.load()) {
    webhooks_.store(std::make_shared<const std::vector<Webhook>>(std::move(*webhooks)));
  }
  ScheduledSends stopped(*sends);
  if (stopped != *scheduled_sends_.load())
    scheduled_sends_.store(std::make_shared<const ScheduledSends>(std::move(stopped)));
  seen_version_ = *version;
  return {};
}

void Store::publish_or_log() {
  // The change itself is durable; whoever made it must not be told otherwise.
  const auto published = publish();
  if (published) return;
  seen_version_ = -1;
  base::log::error("credentials_unreadable", {{"reason", published.error().message()}});
}

Result<std::vector<Credential>> Store::read_credentials(std::string_view tenant) {
  auto select = database_.prepare("SELECT " + std::string(kColumns) +
                                  " FROM credentials WHERE ?1='' OR tenant=?1 ORDER BY name");
  if (!select) return select.error();
  select->bind(tenant);
  return read_rows<Credential>(*select, "credential_unreadable", credential_of);
}

Result<void> Store::require_tenant(std::string_view name) {
  auto select = database_.prepare("SELECT 1 FROM tenants WHERE name=?");
  if (!select) return select.error();
  const auto row = select->bind(name).step();
  if (!row) return row.error();
  if (*row == Statement::Step::End) return make_error_code(Errc::UnknownTenant);
  return {};
}

Result<void> Store::note(const Author& author, std::string_view action, std::string_view subject,
                         std::string_view detail, std::string_view before, std::string_view after) {
  AuditEntry entry;
  entry.time = author.now;
  entry.author = author.name;
  entry.origin = author.origin;
  entry.action = action;
  entry.subject = subject;
  entry.detail = detail;
  entry.before = before;
  entry.after = after;
  return append_audit(database_, entry);
}

}  // namespace ekiden::account
