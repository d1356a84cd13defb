#pragma once

#include <string>
#include <vector>

#include "ekiden/control/queue_commands.hpp"
#include "ekiden/delivery/dispatcher.hpp"

namespace ekiden::control {

/// One limit of one source towards whoever takes a lane's mail.
struct LimitRow {
  std::string source;
  std::string limit;   ///< shaping::name_of(Hold)
  std::string value;   ///< "10/s", "5 of 5"
  std::string origin;  ///< the provider's file, "learnt", "warm-up", "operator"
  bool holds = false;  ///< right now
  std::optional<base::Time> until;
};

/// Every limit that acts on the lane, whether it holds or not. On the lane's worker.
std::vector<LimitRow> limits_of(delivery::Dispatcher& there, std::uint32_t lane);

/// What keeps the lane's mail from leaving from any source, one sentence for each. On the lane's
/// worker.
void explain_limits(delivery::Dispatcher& there, std::uint32_t lane,
                    std::vector<Explanation::Reason>& reasons);

}  // namespace ekiden::control
