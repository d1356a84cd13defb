#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/account/api_key.hpp"
#include "ekiden/account/audit.hpp"
#include "ekiden/account/database.hpp"
#include "ekiden/account/domain_key.hpp"
#include "ekiden/account/error.hpp"
#include "ekiden/account/password.hpp"
#include "ekiden/account/scheduled_send.hpp"
#include "ekiden/account/stored_snapshot.hpp"
#include "ekiden/account/suppression_set.hpp"
#include "ekiden/account/tenant.hpp"
#include "ekiden/account/unsubscribe_group.hpp"
#include "ekiden/account/webhook.hpp"
#include "ekiden/base/time.hpp"

namespace ekiden::account {

inline constexpr std::size_t kListMax = 1000;
/// Signing keys of all domains together, retired ones included. All of them are in memory.
inline constexpr std::size_t kDomainKeysMax = 100'000;
/// API keys of all tenants together. All of them are in memory.
inline constexpr std::size_t kApiKeysMax = 100'000;

/// Domains that one tenant says are its own.
inline constexpr std::size_t kSenderDomainsMax = 1000;

/// What may log a user in. Empty fields are not kept.
struct Secrets {
  std::string argon2id;
  std::string key_hash;
  ScramKeys scram;
};

/// Who did it, for the audit log: "root on the command line", "api key 7".
struct Author {
  std::string name;
  base::Time now;
  std::string origin = {};  ///< from where: "/dev/pts/3, 192.0.2.7"
};

struct Tenant {
  std::string name;
  base::Time created;
  std::uint64_t credentials = 0;
  TenantSettings settings = {};
};

/// What a tenant or a credential has sent, as far as it is written down: a second late at most.
struct Usage {
  QuotaCounter::Value day, month;
};

/// A domain that a tenant says is its own.
struct SenderDomain {
  std::string tenant, name;  ///< canonical
  std::string token;         ///< what its owner publishes to prove it
  base::Time created{};
  base::Time proven{};  ///< the epoch: not yet
  std::string proof;    ///< "txt" or "dkim"

  bool is_proven() const { return proven != base::Time{}; }
};

/// What came of messages, for the suppression list; see Store::take_outcomes.
struct Outcomes {
  std::vector<Suppression> suppressed;
  struct Soft {
    std::string tenant, address, event;
    base::Time time;
  };
  std::vector<Soft> failed;  ///< softly, for tenants that ask for it
  std::vector<std::pair<std::string, std::string>> delivered;  ///< tenant and address, likewise
};

/// The control store: who may use this relay, in data_dir/control.db.
///
/// The node and any number of commands have it open at once; SQLite's lock orders their writes,
/// and each change is durable when the call returns. The node reads only snapshots from memory.
///
/// Errors:  of account/error.hpp.
/// Sharing: any thread; calls block on the disk and on each other, so never from a worker.
///          `current` is for workers: it waits for nothing.
class Store final : public SnapshotSource {
 public:
  /// Creates the file (mode 0600) and its tables, or brings older ones up to date. `problem`
  /// takes words for the operator on failure.
  static Result<std::unique_ptr<Store>> open(const std::string& data_dir, base::Time now,
                                             std::string* problem = nullptr);

  /// Adds a user; `credential` without its id, version and secrets. Gives the new id.
  /// Errors: BadName, BadLabel, BadCertificate, TooMany, UnknownTenant, DuplicateName,
  /// DuplicateCertificate.
  Result<std::int64_t> add(const Credential& credential, const Secrets& secrets,
                           const Author& author);
  /// Replaces every secret of a user. The certificate stays. Errors: NotFound.
  Result<void> set_secrets(std::string_view name, const Secrets& secrets, const Author& author);
  /// Errors: NotFound.
  Result<void> remove(std::string_view name, const Author& author);
  /// By name; of one tenant, or of all when `tenant` is empty.
  Result<std::vector<Credential>> list(std::string_view tenant = {});

  /// Errors: BadLabel, DuplicateTenant.
  Result<void> add_tenant(std::string_view name, const Author& author);
  Result<std::vector<Tenant>> tenants();
  /// Errors: UnknownTenant.
  Result<Tenant> tenant(std::string_view name);
  /// Errors: UnknownTenant, BadLabel (a stream's name), TooMany.
  Result<void> set_tenant(std::string_view name, const TenantSettings& settings,
                          const Author& author);
  /// With its suppressions, domains and limits. Errors: UnknownTenant; InUse while it has
  /// credentials or keys, or is the default one.
  Result<void> remove_tenant(std::string_view name, const Author& author);
  /// None: as the tenant says for each of its credentials. Errors: NotFound.
  Result<void> set_credential_limits(std::string_view name, const std::optional<Limits>& limits,
                                     const Author& author);
  Result<std::optional<Limits>> credential_limits(std::string_view name);
  Result<Usage> usage(bool is_credential, std::string_view name);
  /// Writes down what was counted since the last time; nothing to do mostly.
  Result<void> save_usage();

  /// Adds entries, or renews those that there are. Gives how many addresses are new.
  /// Errors: UnknownTenant.
  Result<std::size_t> add_suppressions(const std::vector<Suppression>& entries,
                                       const Author& author);
  /// In the order they came, those past `after` (an id), expired ones too.
  Result<std::vector<Suppression>> suppressions(const SuppressionFilter& filter, std::int64_t after,
                                                std::size_t limit);
  Result<std::uint64_t> count_suppressions(const SuppressionFilter& filter);
  Result<std::uint64_t> remove_suppressions(const SuppressionFilter& filter, const Author& author);
  /// All in one: entries that are there already stay as they are, and the reader of events has
  /// come as far as `position`. Reading the same events twice changes nothing.
  Result<void> take_outcomes(const Outcomes& outcomes, std::string_view reader,
                             std::string_view position);
  /// What its owner asked for, without an audit entry: the event tells of it.
  Result<void> suppress(const Suppression& entry);
  /// How far a reader has come; empty: nowhere yet.
  Result<std::string> reader_position(std::string_view reader);
  /// And failures that are too long ago to count. Gives how many entries there were.
  Result<std::uint64_t> drop_expired_suppressions(base::Time now);

  /// Errors: UnknownTenant, DuplicateName, TooMany.
  Result<void> add_sender_domain(const SenderDomain& domain, const Author& author);
  /// By tenant and name; of one tenant, or of all when it is empty.
  Result<std::vector<SenderDomain>> sender_domains(std::string_view tenant = {});
  /// `proof` empty: it is proven no more. Errors: NotFound.
  Result<void> set_domain_proof(std::string_view tenant, std::string_view name,
                                std::string_view proof, const Author& author);
  /// Errors: NotFound.
  Result<void> remove_sender_domain(std::string_view tenant, std::string_view name,
                                    const Author& author);

  /// Adds a signing key; its id, times and `last_signed` are not read. Gives the new id.
  /// Errors: UnknownTenant, TooMany (kDomainKeysMax), DuplicateName (the domain has or had this
  /// selector).
  Result<std::int64_t> add_domain_key(const DomainKey& key, const Author& author);
  /// By domain, then age; of one domain, or of all when `domain` is empty.
  Result<std::vector<DomainKey>> domain_keys(std::string_view domain = {});
  /// Errors: NotFound, also when the key is not in state `from` any more.
  Result<void> set_domain_key_state(std::int64_t id, DomainKeyState from, DomainKeyState to,
                                    const Author& author);
  /// The key has signed, the last time then.
  Result<void> note_signed(std::int64_t id, base::Time when);

  /// Adds an API key; `key` with its hashes, without its id and time. Gives the new id.
  /// Errors: BadName, BadLabel, BadScope, TooMany, UnknownTenant, DuplicateKey.
  Result<std::int64_t> add_api_key(const ApiKey& key, const Author& author);
  /// From this moment on the key opens nothing. Errors: NoSuchKey.
  Result<void> remove_api_key(std::string_view name, const Author& author);
  /// By name; of one tenant, or of all when `tenant` is empty.
  Result<std::vector<ApiKey>> api_keys(std::string_view tenant = {});

  /// Adds a webhook; id, times and state are not read, it begins active. Gives the new id.
  /// Errors: UnknownTenant, TooMany (kWebhooksMax).
  Result<std::int64_t> add_webhook(const Webhook& webhook, const Author& author);
  /// By id; of one tenant, or of all when `tenant` is empty.
  Result<std::vector<Webhook>> webhooks(std::string_view tenant = {});
  /// Replaces everything but id, tenant and creation; `what` is for the audit log. With
  /// `unchanged_since` nothing may have changed since then. Errors: NotFound.
  Result<void> set_webhook(const Webhook& webhook, std::string_view what, const Author& author,
                           std::optional<base::Time> unchanged_since = std::nullopt);
  /// Errors: NotFound.
  Result<void> remove_webhook(std::int64_t id, const Author& author);
  /// Errors: NotFound (no such webhook), TooMany (kWebhookOrdersMax open ones).
  Result<std::int64_t> add_webhook_order(const WebhookOrder& order, const Author& author);
  Result<WebhookOrder> webhook_order(std::int64_t id);
  /// Old orders that are done are forgotten, kWebhookOrdersMax stay.
  Result<void> finish_webhook_order(std::int64_t id, bool is_done_well, std::string_view outcome,
                                    base::Time now);

  /// Groups that recipients leave by themselves, as SendGrid's clients have them; a group is one of
  /// the tenant's streams (`UnsubscribeGroup::stream`). Gives the new id.
  /// Errors: UnknownTenant, DuplicateName, BadName, TooMany (kUnsubscribeGroupsMax of a tenant).
  Result<std::int64_t> add_unsubscribe_group(const UnsubscribeGroup& group, const Author& author);
  /// By id; of one tenant.
  Result<std::vector<UnsubscribeGroup>> unsubscribe_groups(std::string_view tenant);
  /// Name, description and whether it is the default. Errors: NotFound, DuplicateName, BadName.
  Result<void> set_unsubscribe_group(const UnsubscribeGroup& group, const Author& author);
  /// Who has left it stays suppressed for its stream. Errors: NotFound.
  Result<void> remove_unsubscribe_group(std::string_view tenant, std::int64_t id,
                                        const Author& author);

  /// A batch of scheduled mail is paused or cancelled.
  /// Errors: UnknownTenant, DuplicateName, TooMany (kScheduledSendsMax of a tenant).
  Result<void> add_scheduled_send(const ScheduledSend& send, const Author& author);
  /// The oldest first; of one tenant, and of one batch unless it is empty.
  Result<std::vector<ScheduledSend>> scheduled_sends(std::string_view tenant,
                                                     std::string_view batch);
  /// Errors: NotFound.
  Result<void> set_scheduled_send(const ScheduledSend& send, const Author& author);
  /// Of one that is being resumed; another stays.
  Result<void> remove_scheduled_send(std::string_view tenant, std::string_view batch);

  /// Adds an entry to the audit log, for what is changed elsewhere than here.
  Result<void> add_audit(std::string_view action, std::string_view subject, std::string_view detail,
                         const Author& author);
  /// The newest `count` entries before the one with this id, newest first.
  Result<std::vector<AuditEntry>> audit(std::size_t count, std::int64_t before = INT64_MAX);
  /// Reads the whole log; see AuditCheck.
  Result<AuditCheck> check_audit(std::string_view head = {});

  /// Rows that were written through this object; whoever wrote some tells a running node.
  std::int64_t rows_written();

  enum class Refresh { Unchanged, Changed };
  /// Reads the credentials anew if any process changed the store since. Cheap when nothing
  /// changed: one read of shared memory.
  Result<Refresh> refresh();

  /// The picture of the last refresh, or of the last change made here.
  std::shared_ptr<const Snapshot> current() const override { return snapshot_.load(); }

  /// Who gets no mail: from the first refresh on, with every change made here at once.
  std::shared_ptr<const SuppressionSet> suppressions() const override {
    return suppressions_.load();
  }
  std::shared_ptr<const ScheduledSends> scheduled_sends() const override {
    return scheduled_sends_.load();
  }
  /// The webhooks of the same picture, with their open orders; another pointer only when something
  /// of it has changed.
  std::shared_ptr<const std::vector<Webhook>> current_webhooks() const { return webhooks_.load(); }

  /// The signing keys of the same picture; another pointer only when a key has changed.
  std::shared_ptr<const std::vector<DomainKey>> current_domain_keys() const {
    return domain_keys_.load();
  }

 private:
  explicit Store(Database database) : database_(std::move(database)) {}
  Result<std::vector<Credential>> read_credentials(std::string_view tenant);
  Result<std::vector<DomainKey>> read_domain_keys(std::string_view domain);
  Result<std::vector<ApiKey>> read_api_keys(std::string_view tenant);
  Result<std::vector<Webhook>> read_webhooks(std::string_view tenant);
  Result<std::vector<ScheduledSend>> read_scheduled_sends();
  Result<void> require_tenant(std::string_view name);
  Result<void> check_group(const UnsubscribeGroup& group);
  Result<Rules> read_rules(const std::vector<Credential>& credentials,
                           const std::vector<ApiKey>& api_keys);
  std::shared_ptr<LimitState> limit_state(const std::string& subject);
  Result<void> note(const Author& author, std::string_view action, std::string_view subject,
                    std::string_view detail, std::string_view before = {},
                    std::string_view after = {});
  Result<std::size_t> insert_suppressions(const std::vector<Suppression>& entries, bool renews_all,
                                          base::Time now);
  Result<void> trim_suppression_changes();
  /// After a change of our own.
  void suppressions_changed();
  /// What changed since the last reading, or everything at first.
  Result<void> read_suppressions();
  Result<void> read_all_suppressions(std::int64_t newest);
  Result<void> publish();
  /// After a change: a failure is left to the next refresh.
  void publish_or_log();

  std::mutex mutex_;
  Database database_;
  std::int64_t seen_version_ = -1;  ///< PRAGMA data_version at the last reading
  bool is_live_ = false;  ///< it has been refreshed: a node's, which keeps the list in memory
  std::int64_t seen_suppressions_ = -1;  ///< in suppression_changes
  std::atomic<std::shared_ptr<const SuppressionSet>> suppressions_{};
  /// What is counted, by subject; `saved` is what the table says.
  struct Counted {
    std::shared_ptr<LimitState> state;
    Usage saved;
  };
  std::map<std::string, Counted, std::less<>> counted_;
  std::atomic<std::shared_ptr<const Snapshot>> snapshot_{std::make_shared<StoredSnapshot>()};
  std::atomic<std::shared_ptr<const std::vector<DomainKey>>> domain_keys_{
      std::make_shared<const std::vector<DomainKey>>()};
  std::atomic<std::shared_ptr<const ScheduledSends>> scheduled_sends_{
      std::make_shared<const ScheduledSends>()};
  std::atomic<std::shared_ptr<const std::vector<Webhook>>> webhooks_{
      std::make_shared<const std::vector<Webhook>>()};
};

/// Errors: BadName, BadLabel.
Result<void> check_user_name(std::string_view name);
Result<void> check_label(std::string_view tenant_or_stream);

}  // namespace ekiden::account
