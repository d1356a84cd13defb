#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ekiden/account/secret.hpp"
#include "ekiden/account/snapshot.hpp"
#include "ekiden/auth/alignment_desk.hpp"
#include "ekiden/base/metrics.hpp"
#include "ekiden/base/worker.hpp"
#include "ekiden/bulk/watch.hpp"
#include "ekiden/config/settings.hpp"
#include "ekiden/delivery/connection.hpp"
#include "ekiden/delivery/dispatcher.hpp"
#include "ekiden/delivery/message_signer.hpp"
#include "ekiden/delivery/route_finder.hpp"
#include "ekiden/dns/resolver.hpp"
#include "ekiden/events/sink.hpp"
#include "ekiden/events/writer.hpp"
#include "ekiden/inbound/layer.hpp"
#include "ekiden/inbound/options.hpp"
#include "ekiden/inbound/services.hpp"
#include "ekiden/net/network.hpp"
#include "ekiden/policy/mta_sts_book.hpp"
#include "ekiden/policy/mta_sts_fetch.hpp"
#include "ekiden/rewrite/rules.hpp"
#include "ekiden/shaping/providers.hpp"
#include "ekiden/smtp/sasl.hpp"
#include "ekiden/spool/disk.hpp"
#include "ekiden/spool/journal.hpp"

namespace ekiden::apps {

/// One worker and its ways to the outside.
struct RelayWorker {
  base::Worker& worker;
  net::Network& network;
  dns::Resolver& resolver;
  smtp::SaslServer* sasl = nullptr;  ///< null: no AUTH
  inbound::Layer* tls = nullptr;     ///< server side; null: no TLS
  inbound::Layer* proxy = nullptr;
  delivery::StartTls start_tls;  ///< client side
};

/// Everything that a relay stands on, real or simulated. Outlives the relay.
struct Surroundings {
  std::vector<RelayWorker> workers;
  spool::Disk& disk;
  base::Executor& committer;
  base::Clock& committer_clock;
  base::Executor& pool;
  base::Executor& events;
  base::Clock& events_clock;
  events::Sink& sink;
  const account::SnapshotSource& accounts;
  base::Random& random;
  base::Metrics& metrics;
  /// Puts something between the relay and its journal, as simulation does. Null: nothing.
  std::function<std::unique_ptr<spool::Spool>(spool::Spool& journal)> wrap_spool;
  /// Of the journal; small in simulation, so that segments come and go.
  std::uint32_t segment_octets = spool::JournalOptions{}.segment_octets;
  delivery::MessageSigner* signer = nullptr;  ///< null: nothing is signed
  /// The node's own key, for return paths and links. Null: rules that need it are refused.
  const account::HashKey* secret = nullptr;
  /// MTA-STS policies that are known. Null: none are looked for.
  policy::MtaStsBook* mta_sts = nullptr;
  /// Whose limits hold and what replies mean. Null: nobody's, and nobody asks.
  std::shared_ptr<const shaping::Providers> providers = nullptr;
  /// What is known of senders' domains. Null: alignment is not judged.
  auth::DomainBook* domains = nullptr;
  const auth::PublicSuffixList* suffixes = nullptr;  ///< null: none
  /// For reports on what came back after delivery. Empty: there are none.
  inbound::FindAccepted find_accepted = nullptr;
  policy::TlsObserver observe_tls = nullptr;  ///< null: nobody reports on TLS
  bulk::Watch* jobs = nullptr;                ///< null: there are no bulk jobs
  /// Empty: nothing is archived.
  inbound::KeepCopy keep_copy = nullptr;
};

/// The rules of [[rewrite]]; null when there are none.
using Rewriting = std::shared_ptr<const rewrite::RuleSet>;

/// A whole relay: inbound, spool, scheduler, delivery, events. The same object graph in the real
/// process and in simulation; only what Surroundings refers to differs.
class Relay {
 public:
  Relay(Surroundings surroundings, std::shared_ptr<const config::Settings> settings);
  ~Relay();
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  /// Reads the spool, hands what it holds to the workers, proves that no listener is an open
  /// relay. Blocks; before the workers run. `problem` gets a sentence for the operator.
  Result<void> open(std::string& problem);

  /// Begins to deliver and to listen. Posts to the workers; `done` runs on worker 0 with what
  /// went wrong, empty when nothing did.
  void start(base::Function<void(std::string problem)> done);

  /// Applies what a new configuration may change in a running relay. False, with a sentence, when
  /// it cannot be used; then nothing has changed. `done` runs on worker 0 once every worker works
  /// by it, with a sentence for each listener that could not be opened. On worker 0.
  /// `rewriting`: what make_rewriting() made of the settings off the workers, since its maps may
  /// be large; without it, it is made here.
  bool reload(std::shared_ptr<const config::Settings> settings, std::string& problem,
              base::Function<void(std::vector<std::string> failures)> done,
              std::optional<Rewriting> rewriting = std::nullopt);
  /// Those of the next reload; without a call the same. On worker 0.
  void set_providers(std::shared_ptr<const shaping::Providers> providers) {
    surroundings_.providers = std::move(providers);
  }
  /// On any thread. Nothing when a rule cannot be used; `problem` then says why.
  std::optional<Rewriting> make_rewriting(const config::Settings& settings,
                                          std::string& problem) const;

  /// Stops listening, lets sessions and transactions end until `budget` is over, then breaks them
  /// off, closes the spool. `done` runs on any thread.
  void stop(base::Duration budget, base::Work done);

  /// The threads have ended: gives up every completion that is kept, so that the loops can destroy
  /// the coroutines behind them while what those refer to still stands. Only the destructor may
  /// follow.
  void abandon();

  /// Tenants' streams may have been changed: every worker shares its lanes out by what they are
  /// now. On any thread.
  void refresh_streams();
  /// Makes an event durable that is no message's own doing. On worker 0.
  void record(std::string encoded_event, base::Completion<Result<void>> done);
  /// Sends a message of our own (Settlement::send_own). On worker 0.
  void send_own(message::Meta own, std::string octets, std::string detail,
                base::Completion<Result<void>> done);
  /// What mail is submitted with on one worker, other than by its listeners; and by which options.
  /// Both on that worker.
  inbound::Services& inbound_services(unsigned worker);
  std::shared_ptr<const inbound::ListenerOptions> http_submission(unsigned worker) const;

  spool::Journal& spool() { return *journal_; }
  delivery::Neighbours& neighbours() { return *neighbours_; }
  std::shared_ptr<const config::Settings> settings() const { return settings_; }
  base::Clock& clock() { return surroundings_.workers.front().worker.clock; }
  unsigned worker_count() const { return static_cast<unsigned>(parts_.size()); }
  std::uint64_t sessions() const;
  const queue::MemoryBudget& budget() const { return budget_; }

 private:
  bool is_closed_relay(const config::Settings& settings, std::string& problem) const;
  std::unique_ptr<spool::Port> attach(base::Executor& home);

  struct Part;    ///< of one worker
  struct Shared;  ///< of all

  Surroundings surroundings_;
  std::shared_ptr<const config::Settings> settings_;
  Rewriting rewriting_;
  queue::MemoryBudget budget_;
  std::unique_ptr<Shared> shared_;
  std::unique_ptr<spool::Journal> journal_;
  std::unique_ptr<spool::Spool> wrapper_;  ///< null mostly
  spool::Spool* mail_ = nullptr;           ///< the wrapper, or else the journal
  std::unique_ptr<delivery::Neighbours> neighbours_;
  std::unique_ptr<events::StoreWriter> writer_;
  std::vector<std::unique_ptr<Part>> parts_;
};

/// What modules take of the settings.
spool::JournalOptions journal_options(const config::Settings& settings);
std::shared_ptr<const delivery::RouteSet> route_set(
    const config::Settings& settings, std::string& problem,
    std::shared_ptr<const shaping::Providers> providers = nullptr);
/// Null without any [[source]].
std::shared_ptr<const delivery::SourceSet> source_set(const config::Settings& settings);
/// The node's part of message ids.
std::uint16_t node_id(const config::Settings& settings);
delivery::SettlementOptions settlement_options(const config::Settings& settings);
delivery::DispatcherOptions dispatcher_options(
    const config::Settings& settings, const Rewriting& rewriting,
    std::shared_ptr<const shaping::Providers> providers = nullptr);
delivery::ConnectionOptions connection_options(const config::Settings& settings,
                                               const Rewriting& rewriting);
auth::AlignmentOptions alignment_options(const config::Settings& settings);
delivery::SigningOptions signing_options(const config::Settings& settings);
policy::MtaStsOptions mta_sts_options(const config::Settings& settings);
/// One for each [[listener]], in its order.
std::vector<std::shared_ptr<const inbound::ListenerOptions>> listener_options(
    const config::Settings& settings, const Rewriting& rewriting);
/// How mail that comes over HTTP is admitted.
std::shared_ptr<const inbound::ListenerOptions> http_submission_options(
    const config::Settings& settings, const Rewriting& rewriting);
/// Nothing when a rule cannot be used; `problem` then says why.
std::optional<Rewriting> rewriting_of(const config::Settings& settings,
                                      const account::HashKey* secret, std::string& problem);

}  // namespace ekiden::apps
