#pragma once

#include <cstdint>
#include <string>

#include "ekiden/base/task.hpp"
#include "ekiden/base/time.hpp"

namespace ekiden::inbound {

enum class RecipientStatus : std::uint8_t {
  Exists,
  Unknown,     ///< 550 5.1.1
  CannotTell,  ///< 451 4.4.3: the next hop did not say; the client tries again
};

/// Asks the next hop of an inbound domain whether a mailbox exists, and remembers the answer.
///
/// Sharing: one per worker.
class RecipientVerifier {
 public:
  virtual ~RecipientVerifier() = default;
  virtual base::Task<RecipientStatus> verify(std::string recipient, std::string next_hop,
                                             base::Steady deadline) = 0;
};

}  // namespace ekiden::inbound
