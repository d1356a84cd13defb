// The API keys in the control store; see store.cpp for what holds of all of it.
#include <algorithm>

#include "ekiden/account/store.hpp"
#include "ekiden/account/store_lists.hpp"

namespace ekiden::account {
namespace {

constexpr std::string_view kColumns =
    "id, name, tenant, stream, streams, sender_domains, networks, scopes, role, key_hash, "
    "blastengine_hash, created_us, expires_us";

/// Nothing when a field makes no sense.
std::optional<ApiKey> key_of(const Statement& row) {
  ApiKey key;
  key.id = row.integer(0);
  key.name = row.text(1);
  Credential& c = key.credential;
  c.id = -key.id;  // no user's: caches tell them apart
  c.version = 1;
  c.name = api_key_identity(key.id);
  c.tenant = row.text(2);
  c.stream = row.text(3);
  c.streams = split_list(row.text(4));
  c.sender_domains = split_list(row.text(5));
  for (const std::string& text : split_list(row.text(6))) {
    const auto block = net::parse_address_block(text);
    if (!block) return std::nullopt;
    c.networks.push_back(*block);
  }
  key.scopes = split_list(row.text(7));
  if (!std::all_of(key.scopes.begin(), key.scopes.end(), is_key_scope)) return std::nullopt;
  const std::string_view role = row.text(8);
  if (role == key_role_name(KeyRole::ReadOnly)) {
    key.role = KeyRole::ReadOnly;
  } else if (role != key_role_name(KeyRole::Full)) {
    return std::nullopt;
  }
  c.key_hash = row.text(9);
  key.blastengine_hash = row.text(10);
  key.created = base::from_unix_us(row.integer(11));
  c.expires = base::from_unix_us(row.integer(12));
  c.may_submit = key.allows("messages:send");
  c.may_release = key.allows("suppressions:write");
  if (!check_label(c.tenant) || !check_label(c.stream)) return std::nullopt;
  return key;
}

Result<void> check(const ApiKey& key) {
  const Credential& c = key.credential;
  if (const auto name = check_user_name(key.name); !name) return name;
  if (const auto tenant = check_label(c.tenant); !tenant) return tenant;
  if (const auto stream = check_label(c.stream); !stream) return stream;
  for (const std::string& stream : c.streams) {
    if (const auto ok = check_label(stream); !ok) return ok;
  }
  if (!std::all_of(key.scopes.begin(), key.scopes.end(), is_key_scope))
    return make_error_code(Errc::BadScope);
  if (c.streams.size() > kListMax || c.networks.size() > kListMax ||
      c.sender_domains.size() > kListMax) {
    return make_error_code(Errc::TooMany);
  }
  return {};
}

}  // namespace

Result<std::int64_t> Store::add_api_key(const ApiKey& key, const Author& author) {
  if (const auto checked = check(key); !checked) return checked.error();
  const Credential& c = key.credential;
  const std::lock_guard lock(mutex_);
  auto transaction = Transaction::begin(database_);
  if (!transaction) return transaction.error();
  if (const auto tenant = require_tenant(c.tenant); !tenant) return tenant.error();
  const auto count = database_.integer("SELECT count(*) FROM api_keys");
  if (!count) return count.error();
  if (*count >= static_cast<std::int64_t>(kApiKeysMax)) return make_error_code(Errc::TooMany);
  auto select = database_.prepare("SELECT 1 FROM api_keys WHERE name=?");
  if (!select) return select.error();
  const auto taken = select->bind(key.name).step();
  if (!taken) return taken.error();
  if (*taken == Statement::Step::Row) return make_error_code(Errc::DuplicateKey);

  auto insert = database_.prepare(
      "INSERT INTO api_keys(name, tenant, stream, streams, sender_domains, networks, scopes, role, "
      "key_hash, blastengine_hash, created_us, expires_us) VALUES(?,?,?,?,?,?,?,?,?,?,?,?)");
  if (!insert) return insert.error();
  insert->bind(key.name).bind(c.tenant).bind(c.stream).bind(join_list(c.streams));
  insert->bind(join_list(c.sender_domains));
  insert->bind(join_list(c.networks, [](const net::AddressBlock& b) { return b.text(); }));
  insert->bind(join_list(key.scopes)).bind(key_role_name(key.role));
  insert->bind(c.key_hash).bind(key.blastengine_hash);
  insert->bind(base::to_unix_us(author.now)).bind(base::to_unix_us(c.expires));
  if (const auto done = insert->run(); !done) return done.error();
  const std::int64_t id = database_.last_row_id();
  const std::string detail = "id " + std::to_string(id) + ", tenant " + c.tenant + ", role " +
                             std::string(key_role_name(key.role)) + ", scopes " +
                             (key.scopes.empty() ? "all" : join_list(key.scopes));
  if (const auto noted = note(author, "key.create", key.name, detail); !noted) return noted.error();
  if (const auto done = transaction->commit(); !done) return done.error();
  publish_or_log();
  return id;
}

Result<void> Store::remove_api_key(std::string_view name, const Author& author) {
  const std::lock_guard lock(mutex_);
  auto transaction = Transaction::begin(database_);
  if (!transaction) return transaction.error();
  auto erase = database_.prepare("DELETE FROM api_keys WHERE name=?");
  if (!erase) return erase.error();
  if (const auto done = erase->bind(name).run(); !done) return done;
  if (database_.rows_changed() == 0) return make_error_code(Errc::NoSuchKey);
  if (const auto noted = note(author, "key.revoke", name, ""); !noted) return noted;
  if (const auto done = transaction->commit(); !done) return done;
  publish_or_log();
  return {};
}

Result<std::vector<ApiKey>> Store::api_keys(std::string_view tenant) {
  const std::lock_guard lock(mutex_);
  if (!tenant.empty()) {
    if (const auto known = require_tenant(tenant); !known) return known.error();
  }
  return read_api_keys(tenant);
}

Result<std::vector<ApiKey>> Store::read_api_keys(std::string_view tenant) {
  auto select = database_.prepare("SELECT " + std::string(kColumns) +
                                  " FROM api_keys WHERE ?1='' OR tenant=?1 ORDER BY name");
  if (!select) return select.error();
  select->bind(tenant);
  return read_rows<ApiKey>(*select, "api_key_unreadable", key_of);
}

}  // namespace ekiden::account
