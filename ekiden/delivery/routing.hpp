#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "ekiden/base/task.hpp"
#include "ekiden/delivery/job.hpp"
#include "ekiden/queue/retry.hpp"

namespace ekiden::delivery {

/// How a domain is reached, as far as the configuration alone can tell.
struct Routed {
  enum class Kind : std::uint8_t { Direct, Mx, Hold, Discard };
  Kind kind = Kind::Mx;
  std::shared_ptr<const Plan> plan;  ///< Direct: ready to use
  queue::RetryPolicy retry;
  std::string name;       ///< for events
  std::size_t index = 0;  ///< of the route in the table
};

/// What the DNS made of a domain.
struct MxPlanned {
  std::shared_ptr<const Plan> plan;  ///< nothing: `failure` says why
  smtp::Reply failure;               ///< ours; 5xx bounces, 4xx defers
  base::Duration valid_for{};
};

/// Finds where mail goes. One per worker.
class Routing {
 public:
  virtual ~Routing() = default;

  /// `next_hop` is set for mail to our own domains and by `queue reroute`; it wins.
  virtual std::shared_ptr<const Routed> route(std::string_view domain,
                                              std::string_view next_hop) = 0;

  /// For Kind::Mx.
  virtual base::Task<MxPlanned> plan_mx(std::string domain, std::size_t route) = 0;
};

}  // namespace ekiden::delivery
