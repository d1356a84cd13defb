#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ekiden/queue/entries.hpp"
#include "ekiden/queue/fair_queue.hpp"
#include "ekiden/queue/id_index.hpp"
#include "ekiden/queue/suspended.hpp"
#include "ekiden/queue/wheel.hpp"

namespace ekiden::queue {

/// A recipient as it comes to a worker: fresh, recovered, or moved from another worker.
struct Arrival {
  std::uint32_t index = 0;
  std::string_view domain;  ///< queue::domain_key
  std::uint64_t address_hash = 0;
  std::uint16_t attempts = 0;
  std::uint16_t reply_code = 0;
  std::uint8_t flags = 0;
  base::Time due{};
  base::Time expires{};
  base::Time delay_notice = base::Time::max();
};

struct ArrivingMessage {
  base::MessageId id;
  std::shared_ptr<const Resident> resident;
  base::Time received{};
  std::uint64_t size = 0;
  std::string_view tenant, stream;
  /// When it came into the queue, by a clock that nobody sets: what an operation that began later
  /// means. The beginning of time where that is not known, and surely long ago.
  base::Steady queued{};
};

/// How a lane may be used.
struct LaneLimits {
  std::uint32_t connections_max = 20;
  /// Of them, how many bulk may hold while others wait: the rest stays free for high streams.
  std::uint32_t bulk_connections_max = 16;
  std::uint32_t recipients_per_transaction_max = 100;
  bool mixes_domains = false;  ///< one transaction may carry several domains
  bool is_paced = false;       ///< by a provider's limits: that it waits is no lag of ours
};

/// One transaction's worth, taken from a lane.
struct Pick {
  std::uint32_t message = kNone;
  base::MessageId id;
  std::shared_ptr<const Resident> resident;
  std::vector<std::uint32_t> recipients;  ///< indexes into the envelope
  std::uint8_t flags = 0;                 ///< of any of them
  bool was_tried = false;                 ///< any of them
};

/// Whether messages of this tenant and stream go to one recipient in a transaction.
using WantsSingle = std::function<bool(std::string_view tenant, std::string_view stream)>;

/// What a connection may take.
struct Taking {
  std::uint32_t recipients_max = UINT32_MAX;  ///< besides the lane's own limit
  std::uint16_t source = 0;                   ///< kept in the recipient's entry
};
/// What is known of tenants' streams; `is_suspended` is not read.
using ShareOf = std::function<Klass(std::string_view tenant, std::string_view stream)>;

/// Which lanes are asked whether they want a connection.
enum class Wanting : std::uint8_t {
  Any,
  First,  ///< those that have none
};

/// Why a recipient's timer fired.
enum class Cause : std::uint8_t { Expired, DelayNotice };
struct Alarm {
  Cause cause;
  base::MessageId id;
  std::uint32_t index;
};

/// Every queued recipient of one worker, from the instant it is accepted to its disposition:
/// which wait, for how long, and whose turn it is. Decides only; it never sees a socket, a disk,
/// the DNS or a clock, and every call tells it the time.
///
/// Sharing: its worker only.
class Scheduler {
 public:
  explicit Scheduler(base::Time now);

  // --- what comes in

  /// Takes recipients of one message. Those due go to their domain's list or lane at once.
  void add(const ArrivingMessage& message, const std::vector<Arrival>& recipients, base::Time now);

  /// Ready to be called when `next_timer` says so. Recipients that became due move on by
  /// themselves; expiries and delay notices are handed out.
  void advance(base::Time now, std::vector<Alarm>& alarms);
  std::optional<base::Time> next_timer() const { return wheel_.next(); }

  /// The wall clock was set back by so much: everything that waits for a time moves along, so that
  /// it waits no longer than it would have. Walks over all recipients at once; clocks are set
  /// rarely.
  void turn_back(base::Duration by, base::Time now);

  // --- domains: the dispatcher finds out where each is delivered

  /// A domain with due recipients and no plan, once each; kNone when there is none.
  std::uint32_t next_unresolved();
  std::uint32_t domain_count() const { return static_cast<std::uint32_t>(domains_.size()); }
  const std::string& domain_name(std::uint32_t domain) const { return domains_[domain].name; }
  /// kNone while its plan is not known.
  std::uint32_t lane_of(std::uint32_t domain) const { return domains_[domain].lane; }
  std::uint32_t waiting(std::uint32_t domain) const { return domains_[domain].waiting.size; }
  /// The domain's recipients are delivered through `lane` until `expires`.
  void assign_domain(std::uint32_t domain, std::uint32_t lane, base::Time expires, base::Time now);
  /// No plan for now. All its due recipients are handed to the caller, who settles each.
  void fail_domain(std::uint32_t domain, const std::function<void(const Pick&)>& see);
  /// The domain's plan is unknown again: its next due recipient asks.
  void forget_domain(std::uint32_t domain);

  // --- lanes

  /// One for each site and way (queue::way_of_key) to it.
  std::uint32_t lane(std::string_view site, const LaneLimits& limits, std::string_view way = {});
  std::uint32_t find_lane(std::string_view site) const;
  const std::string& site_of(std::uint32_t lane) const { return lanes_[lane].site; }
  const LaneLimits& limits(std::uint32_t lane) const { return lanes_[lane].limits; }
  void set_limits(std::uint32_t lane, const LaneLimits& limits);

  /// A lane where one more connection should be opened now, or kNone; those that have none come
  /// first. Each call moves on to the next lane that wants one; `opened` counts it. A lane that
  /// wants none is not looked at again before something about it has changed.
  std::uint32_t next_wanting_connection(base::Time now, Wanting wanting = Wanting::Any);
  /// One more connection should be opened for this lane now.
  bool wants_connection(std::uint32_t lane, base::Time now) const;
  void opened(std::uint32_t lane);
  /// The connection asks for its first transaction, or has ended without asking.
  void served(std::uint32_t lane);
  void closed(std::uint32_t lane);
  std::uint32_t ready(std::uint32_t lane) const { return lanes_[lane].ready.size(); }
  /// Of them, those of high streams.
  std::uint32_t urgent(std::uint32_t lane) const { return lanes_[lane].ready.high(); }
  std::uint32_t connections(std::uint32_t lane) const { return lanes_[lane].connections; }

  /// The next transaction for a connection of the lane, marked in flight; nothing when none is
  /// ready or the lane rests.
  std::optional<Pick> pick(std::uint32_t lane, base::Time now,
                           const WantsSingle& wants_single = nullptr,
                           const Taking& taking = Taking());

  /// A provider's limit holds the lane: no connection, and it is not looked at again until it is
  /// freed.
  void limit(std::uint32_t lane) { lanes_[lane].is_limited = true; }
  void free(std::uint32_t lane, base::Time now);
  bool is_limited(std::uint32_t lane) const { return lanes_[lane].is_limited; }

  /// No connection until then: the site does not answer, or an operator said so.
  void rest(std::uint32_t lane, base::Time until);
  base::Time resting_until(std::uint32_t lane) const { return lanes_[lane].rests_until; }
  bool is_suspended(std::uint32_t lane) const { return lanes_[lane].is_suspended; }
  /// The source that the lane's connections leave from.
  void set_source(std::uint32_t lane, std::string_view source);
  std::uint32_t failures(std::uint32_t lane) const { return lanes_[lane].failures; }
  void set_failures(std::uint32_t lane, std::uint32_t count);
  /// A lane where an idle connection may find something to do since the last call, once each;
  /// kNone when there is none.
  std::uint32_t next_stirred();
  /// Lanes whose rest is over are looked at again; so does `next_wanting_connection`.
  void list_rested(base::Time now);

  // --- suspension

  /// Takes effect at once, and on what comes later. What is suspended is not picked, opens no
  /// connection and is not looked at again until it is resumed; it expires as it would otherwise.
  ///
  /// Recipients of a suspended domain that are ready already are parked when their turn comes;
  /// a walk that calls `park` for each of them spares their lanes a connection for nothing.
  void suspend(Suspendable kind, std::string_view name, bool is_suspended, base::Time now);
  const Suspended& suspended() const { return suspended_; }
  bool is_domain_suspended(std::uint32_t domain) const { return domains_[domain].is_suspended; }
  /// Nothing unless it is ready and its domain suspended.
  void park(std::uint32_t slot);

  // --- what becomes of a recipient

  /// Its slot, kNone when it is not here (any more).
  std::uint32_t find(base::MessageId id, std::uint32_t index) const;
  std::uint32_t find_message(base::MessageId id) const { return ids_.find(id, messages_); }
  const RecipientEntry& recipient(std::uint32_t slot) const { return recipients_[slot]; }
  const MessageEntry& message(std::uint32_t slot) const { return messages_[slot]; }
  /// Time::max() when none is due.
  base::Time delay_notice(std::uint32_t slot) const;
  std::uint32_t recipient_slots() const { return recipients_.end(); }

  /// It goes another way from its next attempt on. In flight, or waiting for its time.
  void set_way(std::uint32_t slot, std::string_view domain_key) {
    recipients_[slot].domain = domain(domain_key);
  }
  /// Its outcome is being written: it leaves the lists and its timer.
  void settle(std::uint32_t slot);
  /// Back to waiting. The caller has counted the attempt in `attempts`.
  void defer(std::uint32_t slot, base::Time due, base::Time now, std::uint16_t attempts,
             std::uint16_t reply_code);
  /// Back to the front of its lane: no attempt was used up.
  void put_back(std::uint32_t slot, base::Time now);
  void hold(std::uint32_t slot);
  void release(std::uint32_t slot, base::Time now);
  /// Due at once, unless it is with a connection or held.
  void retry_now(std::uint32_t slot, base::Time now);
  void set_flags(std::uint32_t slot, std::uint8_t flags) { recipients_[slot].flags = flags; }
  /// Final: it is gone.
  void remove(std::uint32_t slot);
  /// Messages of which no recipient can be picked until `after` give up their octets, which are
  /// read back when one is. Looks at so many entries, where the last call ended, and goes on there
  /// next time. Time::min(): all that no connection has.
  void evict(base::Time after, std::size_t looks);
  void set_resident(std::uint32_t message, std::shared_ptr<const Resident> resident) {
    messages_[message].resident = std::move(resident);
  }

  // --- looking

  std::size_t size() const { return recipients_.size(); }
  std::size_t message_count() const { return messages_.size(); }
  /// How many recipients are there.
  std::uint32_t count(Place place) const { return places_[static_cast<std::size_t>(place)]; }
  struct LaneView {
    std::string_view site;
    std::uint32_t ready, in_flight, connections, failures;
    base::Time rests_until;
    bool is_suspended;
  };
  std::uint32_t lane_count() const { return static_cast<std::uint32_t>(lanes_.size()); }
  LaneView view(std::uint32_t lane) const;
  /// How urgent streams are and how they share, for those that wait and those that come. Without
  /// it "transactional" is High, everything else Normal, and all weigh the same.
  void set_shares(ShareOf share_of);
  std::pair<std::string_view, std::string_view> class_names(std::uint32_t klass) const {
    return {classes_[klass].tenant, classes_[klass].stream};
  }
  /// How long recipients had waited for their turn when they were picked lately, in lanes whose
  /// peers answer briskly: more than 200 ms means that we, not a peer or a limit, are slow.
  base::Duration lag(base::Time now) const;
  /// How long a transaction of the lane took.
  void note_duration(std::uint32_t lane, base::Duration duration);

 private:
  bool is_idle_until(const RecipientEntry& entry, base::Time after) const;

  /// A peer that takes longer for a transaction is slow itself: waiting for it is no lag of ours.
  static constexpr base::Duration kBriskTransaction = std::chrono::milliseconds(150);

  struct Domain {
    std::string name;
    std::uint32_t lane = kNone;
    base::Time expires{};
    bool is_asked = false;  ///< handed out by next_unresolved, not answered yet
    bool is_suspended = false;
    RecipientList waiting;
  };
  struct Lane {
    std::string site, source;
    LaneLimits limits;
    FairQueue ready;
    std::uint32_t connections = 0;
    std::uint32_t opening = 0;  ///< of them, those that have not asked for anything yet
    std::uint32_t in_flight = 0;
    std::uint32_t failures = 0;  ///< connections failed in a row
    base::Time rests_until{};
    /// Smoothed. Nobody is brisk until shown to be.
    base::Duration transaction = kBriskTransaction;
    bool is_suspended = false;
    bool is_limited = false;  ///< then never in wanting_ for long
    bool is_stirred = false;  ///< in stirred_
    bool is_first = false;    ///< listed among those without any connection
    std::uint32_t listed_at = kNone;
  };
  struct NameHash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  using NameIndex = std::unordered_map<std::string, std::uint32_t, NameHash, std::equal_to<>>;
  struct ClassNames {
    std::string tenant, stream;
    Klass how;
  };
  Klass share_of(std::string_view tenant, std::string_view stream) const;

  std::uint32_t domain(std::string_view name);
  std::uint32_t klass(std::string_view tenant, std::string_view stream);
  bool is_class_suspended(const ClassNames& names) const;
  void suspend_classes(base::Time now);
  void suspend_domain(Domain& domain, std::uint32_t at, bool is_suspended);
  void suspend_lanes(base::Time now);
  void move_to(std::uint32_t slot, Place place);
  void make_due(std::uint32_t slot, base::Time now);
  void leave(std::uint32_t slot);
  void set_alarm(std::uint32_t slot);
  std::vector<std::uint32_t>& list_of(const Lane& lane) { return wanting_[lane.is_first ? 0 : 1]; }
  void list_lane(std::uint32_t lane);
  void unlist(std::uint32_t lane);
  std::uint32_t klass_of(const RecipientEntry& entry) const {
    return messages_[entry.message].klass;
  }

  Slab<RecipientEntry> recipients_;
  Slab<MessageEntry> messages_;
  IdIndex ids_;
  Wheel wheel_;
  std::vector<Domain> domains_;
  NameIndex domain_index_;
  /// Of them, those whose key names a next hop.
  std::vector<std::uint32_t> next_hop_domains_;
  std::vector<std::uint32_t> unresolved_;
  std::vector<Lane> lanes_;
  NameIndex lane_index_;
  /// Lanes that may want a connection, looked at in turn: those that have none, and the others.
  std::array<std::vector<std::uint32_t>, 2> wanting_;
  std::array<std::size_t, 2> wanting_next_{};
  /// Lanes that would want one behind their rest, by its end.
  std::set<std::pair<base::Time, std::uint32_t>> resting_;
  std::vector<std::uint32_t> stirred_;
  ShareOf share_of_;
  std::vector<ClassNames> classes_;
  NameIndex class_index_;  ///< by tenant, NUL, stream
  std::string class_key_;
  Suspended suspended_;
  std::array<std::uint32_t, kPlaces> places_{};
  /// By recipient slot; few messages ask for a notice.
  std::unordered_map<std::uint32_t, base::Time> delay_notices_;
  std::uint32_t evict_hand_ = 0;  ///< the message to look at next
  base::Duration lag_{};
  base::Time lag_at_{};
};

}  // namespace ekiden::queue
