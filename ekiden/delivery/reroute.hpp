#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ekiden/base/ids.hpp"
#include "ekiden/delivery/orders.hpp"
#include "ekiden/message/envelope.hpp"

namespace ekiden::delivery {

/// Some recipients of a queued message that go to another next hop.
///
/// The next hop is stored with a message and never changes there, so these recipients go on as
/// those of a new message with the same octets, and the old ones end as `Expanded`: in one
/// transaction. The new message is due at once, keeps attempts and flags, and expires when the old
/// one would have.
struct Reroute {
  base::MessageId id;
  std::shared_ptr<const message::Meta> meta;
  std::vector<OrderTarget> targets;
  std::string next_hop;  ///< "host:port", "[v6]:port" or "mx"
};

}  // namespace ekiden::delivery
