// Tenants in the control store, what they may and what they have used; see store.cpp for what
// holds of all of it.
#include <algorithm>

#include "ekiden/account/store.hpp"
#include "ekiden/base/log.hpp"

namespace ekiden::account {
namespace {

std::string tenant_subject(std::string_view name) {
  return "tenant " + std::string(name);
}
std::string user_subject(std::string_view name) {
  return "user " + std::string(name);
}

Result<void> check(const TenantSettings& settings) {
  if (settings.streams.size() > kStreamsMax || settings.sender_domains.size() > kListMax) {
    return make_error_code(Errc::TooMany);
  }
  for (const Stream& stream : settings.streams) {
    if (const auto named = check_label(stream.name); !named) return named;
  }
  return {};
}

}  // namespace

Result<void> Store::add_tenant(std::string_view name, const Author& author) {
  if (const auto checked = check_label(name); !checked) return checked;
  const std::lock_guard lock(mutex_);
  auto transaction = Transaction::begin(database_);
  if (!transaction) return transaction.error();
  auto insert = database_.prepare("INSERT OR IGNORE INTO tenants(name, created_us) VALUES(?,?)");
  if (!insert) return insert.error();
  if (const auto done = insert->bind(name).bind(base::to_unix_us(author.now)).run(); !done) {
    return done;
  }
  if (database_.rows_changed() == 0) return make_error_code(Errc::DuplicateTenant);
  if (const auto noted = note(author, "tenant.add", name, ""); !noted) return noted;
  return transaction->commit();
}

Result<std::vector<Tenant>> Store::tenants() {
  const std::lock_guard lock(mutex_);
  auto select = database_.prepare(
      "SELECT name, created_us, (SELECT count(*) FROM credentials c WHERE c.tenant=t.name), "
      "coalesce((SELECT settings FROM tenant_settings s WHERE s.tenant=t.name), '{}') "
      "FROM tenants t ORDER BY name");
  if (!select) return select.error();
  std::vector<Tenant> tenants;
  while (true) {
    const auto row = select->step();
    if (!row) return row.error();
    if (*row == Statement::Step::End) return tenants;
    auto settings = parse_settings(select->text(3));
    if (!settings) return make_error_code(Errc::Corrupt);
    tenants.push_back({std::string(select->text(0)), base::from_unix_us(select->integer(1)),
                       static_cast<std::uint64_t>(select->integer(2)), std::move(*settings)});
  }
}

Result<Tenant> Store::tenant(std::string_view name) {
  auto all = tenants();
  if (!all) return all.error();
  for (Tenant& one : *all) {
    if (one.name == name) return std::move(one);
  }
  return make_error_code(Errc::UnknownTenant);
}

Result<void> Store::set_tenant(std::string_view name, const TenantSettings& settings,
                               const Author& author) {
  if (const auto checked = check(settings); !checked) return checked;
  const std::lock_guard lock(mutex_);
  auto transaction = Transaction::begin(database_);
  if (!transaction) return transaction.error();
  if (const auto known = require_tenant(name); !known) return known;
  auto select = database_.prepare("SELECT settings FROM tenant_settings WHERE tenant=?");
  if (!select) return select.error();
  const auto row = select->bind(name).step();
  if (!row) return row.error();
  const std::string before =
      *row == Statement::Step::Row ? std::string(select->text(0)) : std::string("{}");
  const std::string after = format_settings(settings);
  auto put = database_.prepare("INSERT OR REPLACE INTO tenant_settings VALUES(?,?)");
  if (!put) return put.error();
  if (const auto done = put->bind(name).bind(after).run(); !done) return done;
  if (const auto noted = note(author, "tenant.set", name, "", before, after); !noted) return noted;
  if (const auto done = transaction->commit(); !done) return done;
  publish_or_log();
  return {};
}

Result<void> Store::remove_tenant(std::string_view name, const Author& author) {
  if (name == "default") return make_error_code(Errc::InUse);
  const std::lock_guard lock(mutex_);
  auto transaction = Transaction::begin(database_);
  if (!transaction) return transaction.error();
  if (const auto known = require_tenant(name); !known) return known;
  auto users = database_.prepare(
      "SELECT 1 FROM credentials WHERE tenant=?1 UNION ALL "
      "SELECT 1 FROM api_keys WHERE tenant=?1 UNION ALL "
      "SELECT 1 FROM webhooks WHERE tenant=?1 UNION ALL "
      "SELECT 1 FROM domain_keys WHERE tenant=?1 AND state<>'retired' LIMIT 1");
  if (!users) return users.error();
  const auto used = users->bind(name).step();
  if (!used) return used.error();
  if (*used == Statement::Step::Row) return make_error_code(Errc::InUse);
  for (const char* sql :
       {"DELETE FROM suppressions WHERE tenant=?", "DELETE FROM soft_failures WHERE tenant=?",
        "DELETE FROM sender_domains WHERE tenant=?",
        "DELETE FROM unsubscribe_groups WHERE tenant=?",
        "DELETE FROM scheduled_sends WHERE tenant=?", "DELETE FROM tenant_settings WHERE tenant=?",
        "DELETE FROM usage WHERE subject='tenant '||?", "DELETE FROM tenants WHERE name=?"}) {
    auto erase = database_.prepare(sql);
    if (!erase) return erase.error();
    if (const auto done = erase->bind(name).run(); !done) return done;
  }
  if (const auto trimmed = trim_suppression_changes(); !trimmed) return trimmed;
  if (const auto noted = note(author, "tenant.remove", name, ""); !noted) return noted;
  if (const auto done = transaction->commit(); !done) return done;
  counted_.erase(tenant_subject(name));
  publish_or_log();
  return {};
}

Result<void> Store::set_credential_limits(std::string_view name,
                                          const std::optional<Limits>& limits,
                                          const Author& author) {
  const std::lock_guard lock(mutex_);
  auto transaction = Transaction::begin(database_);
  if (!transaction) return transaction.error();
  auto select = database_.prepare(
      "SELECT coalesce((SELECT limits FROM credential_limits l WHERE l.name=c.name), '') "
      "FROM credentials c WHERE c.name=?");
  if (!select) return select.error();
  const auto row = select->bind(name).step();
  if (!row) return row.error();
  if (*row == Statement::Step::End) return make_error_code(Errc::NotFound);
  const std::string before(select->text(0));
  const std::string after = limits ? format_limits(*limits) : std::string();
  auto put = database_.prepare(limits ? "INSERT OR REPLACE INTO credential_limits VALUES(?1,?2)"
                                      : "DELETE FROM credential_limits WHERE name=?1 AND ?2=''");
  if (!put) return put.error();
  if (const auto done = put->bind(name).bind(after).run(); !done) return done;
  if (const auto noted = note(author, "user.limit", name, "", before, after); !noted) return noted;
  if (const auto done = transaction->commit(); !done) return done;
  publish_or_log();
  return {};
}

Result<std::optional<Limits>> Store::credential_limits(std::string_view name) {
  const std::lock_guard lock(mutex_);
  auto select = database_.prepare("SELECT limits FROM credential_limits WHERE name=?");
  if (!select) return select.error();
  const auto row = select->bind(name).step();
  if (!row) return row.error();
  if (*row == Statement::Step::End) return std::optional<Limits>();
  auto limits = parse_limits(select->text(0));
  if (!limits) return make_error_code(Errc::Corrupt);
  return limits;
}

Result<Usage> Store::usage(bool is_credential, std::string_view name) {
  const std::lock_guard lock(mutex_);
  auto select =
      database_.prepare("SELECT day, day_count, month, month_count FROM usage WHERE subject=?");
  if (!select) return select.error();
  const auto row = select->bind(is_credential ? user_subject(name) : tenant_subject(name)).step();
  if (!row) return row.error();
  Usage usage;
  if (*row == Statement::Step::End) return usage;
  const auto number = [&](int column) {
    return static_cast<std::uint64_t>(select->integer(column));
  };
  usage.day = {number(0), number(1)};
  usage.month = {number(2), number(3)};
  return usage;
}

Result<void> Store::save_usage() {
  const std::lock_guard lock(mutex_);
  const auto is_dirty = [](const auto& one) {
    return one.second.state->day.value() != one.second.saved.day ||
           one.second.state->month.value() != one.second.saved.month;
  };
  if (std::none_of(counted_.begin(), counted_.end(), is_dirty)) return {};
  auto transaction = Transaction::begin(database_);
  if (!transaction) return transaction.error();
  std::vector<std::pair<Counted*, Usage>> saved;
  for (auto& one : counted_) {
    if (!is_dirty(one)) continue;
    const Usage usage{one.second.state->day.value(), one.second.state->month.value()};
    auto put = database_.prepare("INSERT OR REPLACE INTO usage VALUES(?,?,?,?,?)");
    if (!put) return put.error();
    put->bind(one.first);
    for (const std::uint64_t number :
         {usage.day.period, usage.day.count, usage.month.period, usage.month.count})
      put->bind(static_cast<std::int64_t>(number));
    if (const auto done = put->run(); !done) return done;
    saved.emplace_back(&one.second, usage);
  }
  if (const auto done = transaction->commit(); !done) return done;
  for (auto& [counted, usage] : saved) counted->saved = usage;
  return {};
}

std::shared_ptr<LimitState> Store::limit_state(const std::string& subject) {
  const auto found = counted_.find(subject);
  if (found != counted_.end()) return found->second.state;
  Counted counted{std::make_shared<LimitState>(), {}};
  auto select =
      database_.prepare("SELECT day, day_count, month, month_count FROM usage WHERE subject=?");
  if (select) {
    const auto row = select->bind(subject).step();
    if (row && *row == Statement::Step::Row) {
      const auto number = [&](int column) {
        return static_cast<std::uint64_t>(select->integer(column));
      };
      counted.saved = {{number(0), number(1)}, {number(2), number(3)}};
      counted.state->day.set(counted.saved.day);
      counted.state->month.set(counted.saved.month);
    }
  }
  return counted_.emplace(subject, std::move(counted)).first->second.state;
}

Result<Rules> Store::read_rules(const std::vector<Credential>& credentials,
                                const std::vector<ApiKey>& api_keys) {
  Rules rules;
  auto tenants = database_.prepare("SELECT tenant, settings FROM tenant_settings");
  if (!tenants) return tenants.error();
  while (true) {
    const auto row = tenants->step();
    if (!row) return row.error();
    if (*row == Statement::Step::End) break;
    const std::string name(tenants->text(0));
    auto settings = parse_settings(tenants->text(1));
    // A limit that cannot be read must not become no limit: the whole picture stays the old one.
    if (!settings) {
      base::log::error("tenant_settings_unreadable", {{"tenant", name}});
      return make_error_code(Errc::Corrupt);
    }
    TenantRules& made = rules.tenants[name];
    made.settings = std::move(*settings);
    if (!made.settings.limits.is_none()) made.state = limit_state(tenant_subject(name));
  }
  auto domains = database_.prepare(
      "SELECT tenant, name FROM sender_domains WHERE proven_us<>0 ORDER BY tenant, name");
  if (!domains) return domains.error();
  while (true) {
    const auto row = domains->step();
    if (!row) return row.error();
    if (*row == Statement::Step::End) break;
    const auto tenant = rules.tenants.find(domains->text(0));
    if (tenant != rules.tenants.end()) tenant->second.proven_domains.emplace_back(domains->text(1));
  }
  auto own = database_.prepare("SELECT name, limits FROM credential_limits");
  if (!own) return own.error();
  while (true) {
    const auto row = own->step();
    if (!row) return row.error();
    if (*row == Statement::Step::End) break;
    const std::string name(own->text(0));
    const auto limits = parse_limits(own->text(1));
    if (!limits) {
      base::log::error("credential_limits_unreadable", {{"user", name}});
      return make_error_code(Errc::Corrupt);
    }
    rules.credentials[name] = {*limits, limit_state(user_subject(name))};
  }
  const auto limit = [&](const Credential& credential) {
    const auto tenant = rules.tenants.find(credential.tenant);
    if (tenant == rules.tenants.end() || tenant->second.settings.credential_limits.is_none())
      return;
    // Its own limits, where it has some, stand.
    rules.credentials.try_emplace(credential.name,
                                  CredentialRules{tenant->second.settings.credential_limits,
                                                  limit_state(user_subject(credential.name))});
  };
  for (const Credential& credential : credentials) limit(credential);
  for (const ApiKey& key : api_keys) limit(key.credential);
  return rules;
}

}  // namespace ekiden::account
