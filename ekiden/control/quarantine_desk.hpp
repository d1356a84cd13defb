#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "ekiden/base/clock.hpp"
#include "ekiden/base/executor.hpp"
#include "ekiden/base/ids.hpp"
#include "ekiden/base/metrics.hpp"
#include "ekiden/base/task.hpp"
#include "ekiden/control/queue_commands.hpp"
#include "ekiden/queue/intake.hpp"
#include "ekiden/spool/quarantine.hpp"

namespace ekiden::control {

/// Something that the spool has set aside, as people see it.
struct QuarantinedView {
  std::string name;
  std::string kind;    ///< "message"; "piece", of a segment; "segment", a whole one
  std::string reason;  ///< why it is here
  std::optional<base::MessageId> message;
  std::uint64_t size = 0;    ///< octets that `show --raw` gives
  std::uint64_t lost = 0;    ///< recipients that wait for the operator, also when not known by name
  bool may_release = false;  ///< its envelope can be read
  base::Time accepted{};
  std::string sender, tenant, stream, client, identity, internet_message_id, subject;
  std::vector<std::string> recipients;  ///< that had no end yet
};

/// What became of one.
struct QuarantineDecision {
  std::string name;
  std::optional<base::MessageId> message;  ///< what it was
  std::optional<base::MessageId> as;       ///< what it is queued as, when it was released
  std::uint64_t recipients = 0;
};

/// What operators do about what could not be read (docs/SPOOL.md, "Quarantine"), on a running node
/// and on a stopped one.
///
/// A release queues the message anew, under a new id and for those who had no end yet; its time
/// begins again. A deletion ends them as cancelled. Both are told in events.
///
/// Sharing: the worker of `home` only.
class QuarantineDesk {
 public:
  struct Parts {
    spool::Quarantine& quarantine;
    base::Executor& pool;
    base::Executor& home;
    base::Clock& clock;
    base::Random& random;
    base::Metrics& metrics;
    std::function<void(queue::Accepted)> enqueue;  ///< takes a released message over
  };
  explicit QuarantineDesk(Parts parts);

  /// In the order of their names, behind `after`. At most `count`.
  base::Task<Outcome<std::vector<QuarantinedView>>> list(std::string after, std::size_t count);
  base::Task<Outcome<QuarantinedView>> show(std::string name);
  /// A slice of what was kept; empty behind its end.
  base::Task<Outcome<std::string>> octets(std::string name, std::uint64_t offset,
                                          std::size_t length);
  /// Problem "refused" for what is no message, or one whose envelope is damaged.
  base::Task<Outcome<QuarantineDecision>> release(std::string name);
  base::Task<Outcome<QuarantineDecision>> remove(std::string name, std::string reason);

 private:
  template <class T>
  base::Task<T> on_pool(std::function<T()> work);
  base::Task<Result<spool::Quarantined>> peek(const std::string& name);

  Parts parts_;
  base::MessageIdSource ids_;
  base::Counter& decided_;
  base::Counter& cancelled_;
};

}  // namespace ekiden::control
