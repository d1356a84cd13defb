#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ekiden/base/result.hpp"
#include "ekiden/base/task.hpp"
#include "ekiden/control/filter.hpp"
#include "ekiden/control/operations.hpp"

/// What an operator can ask of a running node. The node implements it over its workers; the
/// control socket and later the API call it.
namespace ekiden::control {

/// One queued recipient, as people see it.
struct QueuedRecipient {
  base::MessageId message;
  std::uint32_t index = 0;  ///< in the message's envelope
  std::string sender, recipient, domain, tenant, stream;
  /// "resolving", "ready", "waiting", "in_flight", "settling", "held"
  std::string state;
  std::string site, route, source;
  base::Time accepted{};
  base::Time due{};  ///< next attempt, when waiting
  base::Time expires{};
  std::uint32_t attempts = 0;
  std::uint16_t reply_code = 0;
  std::string reply;  ///< the last one, with its code; may be empty in lists
  std::uint64_t size = 0;
};

/// A state for a recipient that has left the queue while it was being looked at: the event store
/// knows how it ended.
inline constexpr const char* kUnknownEnd = "done";

inline constexpr std::size_t kPageMax = 1000;

struct QueuePage {
  std::vector<QueuedRecipient> items;
  std::string next;  ///< hand back for the next page; empty: this was the last
};

/// Counts of recipients.
struct QueueCounts {
  std::uint64_t queued = 0;  ///< the sum of those below
  std::uint64_t resolving = 0, ready = 0, waiting = 0, in_flight = 0, settling = 0, held = 0;

  QueueCounts& operator+=(const QueueCounts& more);
};

struct QueueGroup {
  std::string name;
  QueueCounts counts;
  std::uint32_t connections = 0;
  std::string state;  ///< empty, or "suspended", "resting until …"
};

enum class GroupBy : std::uint8_t { Site, Domain, Tenant, Stream };

struct QueueSummary {
  QueueCounts counts;
  std::uint64_t messages = 0, octets = 0;
  std::optional<base::Time> oldest;  ///< when the longest queued was accepted
  std::vector<QueueGroup> groups;    ///< most queued first, at most kPageMax
};

/// Why a recipient waits: everything that holds it now, the strongest first.
struct Explanation {
  QueuedRecipient recipient;
  struct Reason {
    std::string kind;     ///< "not_due", "site_resting", "suspended", "held", "limit", …
    std::string subject;  ///< the site, tenant or limit
    std::string text;     ///< a sentence
    std::optional<base::Time> until;
  };
  std::vector<Reason> reasons;
};

struct MessageView {
  base::MessageId id;
  base::Time accepted{};
  std::string sender, tenant, stream, client, identity, internet_message_id, subject;
  std::string alignment;  ///< as message::Details has it
  std::uint64_t size = 0;
  std::vector<QueuedRecipient> recipients;  ///< `state` may also be a final one here
  std::string header;                       ///< as stored, without the body
};

enum class QueueAction : std::uint8_t {
  Retry,    ///< due now
  Hold,     ///< wait for an operator
  Release,  ///< undo Hold
  Bounce,   ///< final, with a DSN
  Delete,   ///< final, cancelled, no DSN
  Reroute,  ///< to another next hop
};
const char* action_name(QueueAction action);
std::optional<QueueAction> parse_action(std::string_view name);

/// What is suspended and resumed.
struct SuspendScope {
  enum class Kind : std::uint8_t { Site, Domain, Tenant, Stream, Source };
  Kind kind = Kind::Site;
  std::string name;
};
const char* kind_name(SuspendScope::Kind kind);
std::optional<SuspendScope::Kind> parse_kind(std::string_view name);

/// Survives a restart.
struct Suspension {
  SuspendScope scope;
  base::Time since{};
  std::optional<base::Time> until;  ///< nothing: until resumed
  std::string reason;
};

/// What an operator asked for cannot be: a code that programs read, and a sentence.
struct Problem {
  std::string code;  ///< "not_found", "bad_request", "conflict", "unavailable", "refused"
  std::string message;
};

/// It would be forgotten by a restart.
Problem not_written(const Error& error);

/// Either a value or a problem.
template <class T>
struct Outcome {
  std::optional<T> value;
  Problem problem;

  Outcome(T v) : value(std::move(v)) {}
  Outcome(Problem p) : problem(std::move(p)) {}
  explicit operator bool() const { return value.has_value(); }
};

struct Reloaded {
  bool is_applied = false;
  std::vector<std::string> messages;  ///< formatted diagnostics, warnings too
};

struct NodeStatus {
  std::string version, hostname, config_file;
  std::uint64_t pid = 0;
  base::Time started{};
  std::uint32_t workers = 0;
  std::uint64_t sessions = 0;                                            ///< open, inbound
  std::uint64_t connections = 0;                                         ///< open, outbound
  std::uint64_t accepted = 0, delivered = 0, deferred = 0, bounced = 0;  ///< since start
  std::uint64_t memory_octets = 0;                                       ///< of message octets
  std::uint64_t disk_octets = 0;                                         ///< of the spool
  std::uint64_t events_waiting = 0;  ///< not yet in the event store
  std::uint64_t quarantined = 0;     ///< messages set aside
  std::vector<std::string> alerts;   ///< sentences; empty when all is well
  QueueCounts queue;
};

class QuarantineDesk;

/// Every call runs on the control server's worker and may suspend; implementations post to the
/// workers they need and gather. Walks are sliced there, never here.
class NodeControl {
 public:
  virtual ~NodeControl() = default;

  virtual base::Task<NodeStatus> status() = 0;
  /// `cursor` empty: from the start. At most `count` items (≤ kPageMax); a page may be shorter.
  virtual base::Task<Outcome<QueuePage>> list(Filter filter, std::string cursor,
                                              std::size_t count) = 0;
  virtual base::Task<QueueSummary> summary(Filter filter, GroupBy by) = 0;
  /// Of one message: every recipient that is still queued, or only the given one.
  virtual base::Task<Outcome<std::vector<Explanation>>> explain(
      base::MessageId message, std::optional<std::uint32_t> index) = 0;
  virtual base::Task<Outcome<MessageView>> show(base::MessageId message) = 0;

  /// Starts `action` on what `filter` means. `argument`: the next hop of Reroute, or the reason
  /// for Hold, Bounce and Delete. Returns as soon as the operation exists.
  virtual base::Task<Outcome<std::shared_ptr<Operation>>> act(QueueAction action, Filter filter,
                                                              std::string argument) = 0;

  virtual base::Task<Outcome<Suspension>> suspend(SuspendScope scope,
                                                  std::optional<base::Time> until,
                                                  std::string reason) = 0;
  /// Problem "not_found" when it was not suspended.
  virtual base::Task<Outcome<Suspension>> resume(SuspendScope scope) = 0;
  virtual base::Task<std::vector<Suspension>> suspensions() = 0;

  virtual Operations& operations() = 0;
  /// What is about the spool's quarantine; null when there is none.
  virtual QuarantineDesk* quarantine() { return nullptr; }
  virtual base::Task<Reloaded> reload() = 0;
  /// Begins the graceful stop, as SIGTERM does.
  virtual base::Task<void> drain() = 0;
};

}  // namespace ekiden::control
