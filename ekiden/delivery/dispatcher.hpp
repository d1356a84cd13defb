#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "ekiden/account/snapshot.hpp"
#include "ekiden/base/metrics.hpp"
#include "ekiden/base/task_group.hpp"
#include "ekiden/base/worker.hpp"
#include "ekiden/delivery/egress.hpp"
#include "ekiden/delivery/job.hpp"
#include "ekiden/delivery/neighbours.hpp"
#include "ekiden/delivery/orders.hpp"
#include "ekiden/delivery/reroute.hpp"
#include "ekiden/delivery/routing.hpp"
#include "ekiden/delivery/settlement.hpp"
#include "ekiden/delivery/traffic_book.hpp"
#include "ekiden/queue/intake.hpp"
#include "ekiden/queue/scheduler.hpp"
#include "ekiden/rewrite/rules.hpp"
#include "ekiden/shaping/providers.hpp"
#include "ekiden/spool/spool.hpp"

namespace ekiden::delivery {

class ConnectionFeed;

struct DispatcherOptions {
  /// Of all workers together. Past it whoever waits gets its turn (connection_limit.hpp).
  std::uint32_t connections_max = 1000;
  std::uint32_t connections_per_site_max = 20;
  std::shared_ptr<const rewrite::RuleSet> rewriting;  ///< null: nothing is rewritten
  /// Jobs that one worker hands another's connection at a time.
  std::uint32_t batch = 4;
  /// A site that does not answer rests this long, doubling up to the second.
  base::Duration rest_first = std::chrono::seconds(30);
  base::Duration rest_max = std::chrono::minutes(15);
  /// Recipients that are charged an attempt when a connection to their site fails; the others
  /// stay parked and pay nothing.
  std::uint32_t deferred_per_failure_max = 100;
  /// Larger messages lie in files and are never read back whole (spool::JournalOptions).
  std::uint64_t large_octets = 1u << 20;
  std::shared_ptr<const SourceSet> sources;  ///< null: mail leaves as the machine chooses
  /// What replies mean; null: nobody asks.
  std::shared_ptr<const shaping::Providers> providers;
};

/// Runs one connection to its end: delivery/connection.hpp, or a test's.
using RunConnection = std::function<base::Task<ConnectionEnd>(std::shared_ptr<const Plan>, Feed&)>;

/// Joins one worker's scheduler to the DNS, to connections and to the spool.
///
/// A site's state lives on the worker that its key hashes to; its connections live on all of
/// them. The owner hands each connection small batches of jobs and gets their results back.
///
/// Sharing: its worker only; neighbours speak to it through mailboxes.
class Dispatcher final : public queue::Intake {
 public:
  struct Parts {
    base::Worker& worker;
    spool::Spool& spool;
    spool::Port& port;
    queue::MemoryBudget& budget;
    Routing& routing;
    Neighbours& neighbours;
    base::Metrics& metrics;
    RunConnection run;
    policy::TlsObserver observe_tls = nullptr;          ///< null: nobody reports (RFC 8460)
    const account::SnapshotSource* accounts = nullptr;  ///< null: no batch is ever stopped
  };
  Dispatcher(Parts parts, DispatcherOptions options, SettlementOptions settlement);
  ~Dispatcher() override;

  // queue::Intake
  bool reserve(std::uint64_t octets) override;
  void release(std::uint64_t octets) override { parts_.budget.release(octets); }
  base::Duration delay() const override;
  void take(queue::Accepted message) override;

  /// A message found in the spool at start. Before the workers run, from one thread.
  static void recover(Neighbours& neighbours, const spool::Recovered& found);

  /// Starts delivering what `recover` brought.
  void start() { wake(); }

  /// No new connection; running transactions end. `done` runs when the last connection has.
  void stop(base::Work done);
  /// The time is over: what `stop` still waits for is found again at the next start.
  void abort();

  /// The process ends: connections that wait for a job are destroyed, by their loop.
  void drop_waiting();

  /// How urgent tenants' streams are, from now on.
  void set_shares(queue::ShareOf share_of) { scheduler_.set_shares(std::move(share_of)); }
  /// A reload's.
  void set_options(DispatcherOptions options, SettlementOptions settlement);

  /// Routes changed: every domain is looked at anew.
  void forget_routes();

  /// Before the scheduler is told a time, or asked for one: the wall clock may have been set back
  /// meanwhile.
  void look_at_clock();

  queue::Scheduler& scheduler() { return scheduler_; }
  const queue::Scheduler& scheduler() const { return scheduler_; }
  Settlement& settlement() { return settlement_; }
  Orders& orders() { return orders_; }
  /// Sends recipients of a message that is queued here elsewhere.
  void reroute(Reroute request, std::shared_ptr<Tally> tally);
  bool is_stopping() const { return is_stopping_; }
  base::Worker& worker() { return parts_.worker; }
  unsigned worker_index() const { return parts_.worker.index; }
  spool::Port& port() { return parts_.port; }
  /// The scheduler's, with a rest of the source on every worker.
  const Egress& egress() const { return egress_; }
  /// Of the stored file. Before the workers run.
  void remember(const std::shared_ptr<const std::vector<ChannelRecord>>& records) {
    egress_.remember(records, moment());
  }
  /// Nothing leaves from this source for so long, on any worker.
  void rest_source(std::string_view source, base::Duration length, const std::string& why,
                   bool is_stored);
  /// Egress::set_ipv6, of this worker.
  void set_ipv6(std::string_view source, std::string why);
  /// By an operator. False: this worker knows no such channel.
  bool pause_warm_up(std::string_view source, std::string_view provider, bool is_paused);
  /// Somebody complained of a message that the source delivered: to a provider, or where none is
  /// known to a site that is named after this host.
  void complained(std::string_view source, std::string_view provider, std::string_view host);
  /// What became of mail since the start.
  const TrafficBook& traffic() const { return traffic_; }
  /// Calls `changed` soon after something was learnt that is worth storing.
  void on_learnt(std::function<void()> changed) { learnt_ = std::move(changed); }
  /// What keeps a lane's mail from leaving, by source; empty: nothing of the providers' limits.
  std::vector<Egress::Stuck> stuck(std::uint32_t lane);
  shaping::Moment moment() const {
    return {parts_.worker.clock.now(), parts_.worker.clock.steady()};
  }
  /// The source of a recipient's last attempt; empty: none of ours.
  std::string_view source_name(std::uint16_t id) const {
    return id == 0 ? std::string_view() : std::string_view(source_ids_[id - 1]);
  }
  /// A set of mail hosts: all lanes to it share delivery.connections_per_site.
  struct Hosts {
    std::uint32_t connections = 0;
    std::uint32_t leaving = 0;          ///< of them, those that were told to end
    std::deque<std::uint32_t> waiting;  ///< lanes that want one, first come, first served
    std::vector<std::uint32_t> idle;    ///< lanes with idle connections, and some that had
    bool is_due = false;                ///< in due_hosts_
  };
  struct LaneInfo {
    std::shared_ptr<const Plan> plan;
    Hosts* hosts = nullptr;  ///< the lane's for ever
    queue::RetryPolicy retry;
    std::string way;                       ///< queue::way_of_key
    Egress::Provider* provider = nullptr;  ///< null: the plan is used as it is
    std::vector<std::uint64_t> idle;       ///< links that wait for a job
    bool is_idle_listed = false;           ///< in idle_lanes_
    bool is_idle_known = false;            ///< to its provider
    bool waits_for_share = false;          ///< in share_waiters_
    bool waits_for_hosts = false;          ///< in its hosts' line
    bool is_next_at_hosts = false;         ///< its turn has come
    bool is_idle_at_hosts = false;         ///< known to its hosts
    smtp::Reply last_failure;              ///< why the site rests
    Peer last_peer;
  };
  const LaneInfo* lane_info(std::uint32_t lane) const {
    return lane < lanes_.size() ? &lanes_[lane] : nullptr;
  }

  /// As many connections as delivery.connections allows are open, and the lane wants one more.
  bool is_short_of_connections(std::uint32_t lane) const {
    return parts_.neighbours.connections().is_short() &&
           scheduler_.wants_connection(lane, parts_.worker.clock.now());
  }
  const DispatcherOptions& options() const { return options_; }

  /// Has something changed for the scheduler: look at it again, soon, once.
  void wake();

 private:
  friend class ConnectionFeed;
  friend class Settlement;

  /// One connection of a lane of ours, on whichever worker it runs.
  struct Link {
    std::uint32_t lane = queue::kNone;
    unsigned worker = 0;
    std::uint32_t wants = 0;
    std::uint32_t turns = 0;  ///< transactions that it was given
    bool has_asked = false;
    bool is_idle = false;
    bool is_leaving = false;  ///< it was told to end
    // Of a lane with a provider.
    shaping::Channel* channel = nullptr;
    std::string source;
    std::size_t member = 0;
    std::uint16_t source_id = 0;
    std::uint32_t in_flight = 0;  ///< transactions that its channel counts
    bool has_obeyed = false;      ///< what the last transaction was told about the source
  };

  /// A message's recipients on their way to the worker that owns them.
  struct Moving {
    base::MessageId id;
    std::shared_ptr<const queue::Resident> resident;
    base::Time received;
    std::uint64_t size;
    std::string tenant, stream;
    base::Steady queued;
    std::vector<queue::Arrival> arrivals;
    std::vector<std::string> domains;  ///< one for each arrival, which points into them
    /// By which they are its own, and for how long; null: it finds out.
    std::shared_ptr<const Plan> plan = nullptr;
    base::Duration valid_for{};
  };
  void each_feed(void (*tell)(ConnectionFeed&));
  void ask_others_to_evict(base::Time after);
  std::shared_ptr<const Routed> route_of(std::string_view key) const;
  static queue::Arrival arrival_of(const message::Meta& meta, std::uint32_t index,
                                   std::uint64_t address_hash, const Routed& routed,
                                   base::Time now);
  void add(Moving moving);

  void pump();
  void resolve_domains(base::Time now);
  void settle_alarms(base::Time now);
  void serve_idle(base::Time now);
  void serve_idle(std::uint32_t lane, base::Time now);
  void note_idle(std::uint32_t lane);
  void stir_idle(Egress::Provider& provider);
  void open_connections(base::Time now);
  void open_connection(std::uint32_t lane, const Egress::Way* way);
  void arm_timer();

  // What sources and providers' limits ask for (dispatcher_egress.cpp).
  std::optional<Egress::Way> find_way(std::uint32_t lane);
  void park(std::uint32_t lane, base::Time until);
  void look_again(Egress::Provider& provider, base::Time at);
  void make_due(Egress::Provider& provider);
  void make_all_due();
  void free_parked(base::Time now);
  enum class Turn : std::uint8_t { Its, Waits, Leaves };
  Turn turn_of(const Link& link);
  void serve_idle_paced(std::uint32_t lane, base::Time now);
  void began(Link& link, std::uint32_t recipients);
  bool must_make_room(const Link& link) const;
  std::uint16_t id_of_source(std::string_view name);
  base::Task<bool> turn_to_begin(std::uint64_t link);
  shaping::Classification classified(const Plan& plan, const Peer& peer, Phase phase,
                                     const smtp::Reply& reply, bool is_local) const;
  void learn(Link& link, const LaneInfo& info, const Settlement::Context& context,
             std::vector<Verdict>& verdicts);
  bool obey(Link& link, const LaneInfo& info, const shaping::Classification& what,
            base::Time sent_at);
  bool learn_from_failure(Link& link, const LaneInfo& info, const ConnectionEnd& end);
  void raise_alert(const Link& link, const LaneInfo& info, const shaping::Classification& what,
                   const smtp::Reply& reply);
  void note_learnt();
  void tally_failure(const Link& link, const ConnectionEnd& end, bool is_sources);
  void tally(const Link& link, const Settlement::Context& context,
             const std::vector<Verdict>& verdicts);

  // What delivery.connections_per_site asks for (dispatcher_hosts.cpp).
  Hosts& hosts_of(const Plan& plan);
  bool may_open_to_hosts(std::uint32_t lane);
  bool is_missed_by_others(std::uint32_t lane) const;
  bool must_leave_hosts(const Link& link) const;
  void look_at_hosts_again();
  void left_hosts(const Link& link);
  void dismiss_idle(Hosts& hosts);
  void make_due(Hosts& hosts);
  void free_waiting(base::Time now);

  // What delivery.connections asks for.
  std::uint32_t next_lane(base::Time now);
  void wake_worker(unsigned worker);
  void wait_for_connection(std::uint32_t lane);
  void stop_waiting();
  void give_way();
  bool must_leave(const Link& link) const;
  void dismiss(std::uint64_t id, Link& link);

  queue::LaneLimits limits_of(const Plan& plan, std::string_view way) const;
  void assign(std::uint32_t domain, std::shared_ptr<const Plan> plan,
              const queue::RetryPolicy& retry, base::Duration valid_for);
  void move_domain(std::uint32_t domain, unsigned owner, const std::shared_ptr<const Plan>& plan,
                   base::Duration valid_for);
  base::Task<void> resolve(std::uint32_t domain, std::shared_ptr<const Routed> routed);
  void fail_domain(std::uint32_t domain, const Routed& routed, const smtp::Reply& reply);
  void set_aside(std::uint32_t domain, const Routed& routed);

  void with_meta(base::MessageId id, std::shared_ptr<const queue::Resident> resident,
                 base::Function<void(std::shared_ptr<const message::Meta>)> use);
  void settle_soon(base::MessageId id, std::shared_ptr<const queue::Resident> resident,
                   const Routed& routed, const Peer& peer, std::vector<Verdict> verdicts);
  void hold_soon(base::MessageId id, std::shared_ptr<const queue::Resident> resident,
                 std::uint32_t recipient, std::string why);
  void expire(base::MessageId id, std::uint32_t index,
              std::shared_ptr<const queue::Resident> resident, std::shared_ptr<const Routed> routed,
              Peer peer, smtp::Reply last);
  void forget_message(base::MessageId id, const Error& error);
  void defer_unread(const queue::Pick& pick);
  void obey_orders(base::MessageId id, const std::vector<std::uint32_t>& recipients);
  void note_queued();
  base::Task<Result<spool::Body>> own_body(base::MessageId id);
  struct Move {
    Reroute request;
    std::shared_ptr<Tally> tally;
  };
  void begin_moves();
  base::Task<void> run_move(Move move, std::uint64_t octets);
  base::Task<void> move_on(Reroute request, std::shared_ptr<Tally> tally);

  /// The job keeps the resident alive, and with it the message's share of the memory budget.
  static Job job_of(const queue::Pick& pick,
                    const std::shared_ptr<const queue::Resident>& resident);

  // The owner's side of a connection.
  bool is_stopped(const queue::Pick& pick, const std::shared_ptr<const queue::Resident>& resident);
  void ask(std::uint64_t link, std::uint32_t wants);
  void serve(std::uint64_t id, Link& link, base::Time now);
  base::Task<void> load_and_grant(std::uint64_t link, std::vector<queue::Pick> picks);
  base::Task<std::optional<Job>> load_job(queue::Pick& pick, queue::Charge charge);
  std::uint64_t octets_to_read(base::MessageId id) const;
  base::Task<bool> turn_to_read(std::uint64_t octets);
  void serve_readers();
  void dismiss_readers();
  void grant(std::uint64_t link, std::vector<Job> jobs);
  void ended(std::uint64_t link, ConnectionEnd end);
  void site_failed(const Link& link, const ConnectionEnd& end);
  void hold_unaligned(const Settlement::Context& context, std::uint32_t recipient,
                      const smtp::Reply& why);
  void put_back(base::MessageId id, const std::vector<std::uint32_t>& recipients);
  void settled(JobResult result, std::shared_ptr<const message::Meta> meta, std::uint64_t link);

  // The connection's side.
  base::Task<void> run_connection(std::uint64_t link, unsigned owner,
                                  std::shared_ptr<const Plan> plan);
  void granted(std::uint64_t link, unsigned owner, std::vector<Job> jobs);
  void dismissed(std::uint64_t link, unsigned owner);

  Parts parts_;
  DispatcherOptions options_;
  queue::Scheduler scheduler_;
  Settlement settlement_;
  Orders orders_;
  base::TaskGroup tasks_;
  Egress egress_;
  TrafficBook traffic_;
  std::vector<Egress::Provider*> due_;  ///< where something may have been freed
  std::uint64_t suspensions_seen_ = 0;
  /// Lanes with idle connections, and some that had.
  std::vector<std::uint32_t> idle_lanes_;
  std::vector<std::uint32_t> stirred_;  ///< of them, those that a limit may have freed
  /// Of them, those that hold back because another source's turn comes first.
  std::vector<std::uint32_t> share_waiters_;
  bool was_spool_closed_ = false;  ///< nothing was handed out for a while, whoever asked
  std::vector<std::string> source_ids_;
  std::map<std::string, base::Time> alerted_;  ///< until when it is not said again
  std::function<void()> learnt_;
  bool is_learnt_told_ = false;
  std::vector<LaneInfo> lanes_;
  std::map<std::string, std::unique_ptr<Hosts>> hosts_;  ///< by hosts_key
  std::vector<Hosts*> due_hosts_;                        ///< where somebody's turn may have come
  bool is_hosts_timer_set_ = false;
  std::map<std::uint64_t, Link> links_;
  std::uint64_t next_link_ = 1;
  std::uint32_t connections_ = 0;
  unsigned next_worker_ = 0;
  std::uint32_t turn_ = queue::kNone;  ///< the lane for which a connection was refused
  bool is_waiting_ = false;            ///< in the line of the connection limit
  std::uint32_t leaving_ = 0;          ///< links that were told to end
  std::map<std::pair<unsigned, std::uint64_t>, ConnectionFeed*> feeds_;  ///< that run here
  /// Those who wait for room to read a message back, first come, first served.
  struct Reader {
    std::uint64_t octets;
    base::Completion<bool> done;
  };
  std::deque<Reader> readers_;
  bool is_reader_timer_set_ = false;
  BoundedLine<Move> moves_;
  bool is_awake_ = false;
  bool is_stopping_ = false;
  base::Work stopped_;
  base::Duration clock_offset_;  ///< of the wall clock over the steady one, when last looked at
  base::TimerId timer_ = base::TimerId::None;
  base::Time timer_at_ = base::Time::max();
  base::Steady evictions_asked_at_{};
  std::atomic<std::int64_t> lag_us_{0};
  base::Counter& recovered_;
  base::Gauge& queued_gauge_;
  base::Gauge& connections_gauge_;
  base::Counter& connection_waits_;
  base::Counter& limited_;
  base::Counter& throttled_;
};

}  // namespace ekiden::delivery
