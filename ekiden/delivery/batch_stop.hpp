#pragma once

#include <optional>

#include "ekiden/account/scheduled_send.hpp"
#include "ekiden/account/snapshot.hpp"
#include "ekiden/delivery/settlement.hpp"
#include "ekiden/message/envelope.hpp"

namespace ekiden::delivery {

/// What the sender of scheduled mail has said of its batch since; nothing: it goes on.
inline std::optional<account::SendStop> stop_of(const account::SnapshotSource* accounts,
                                                const message::Details& details) {
  if (details.batch.empty() || accounts == nullptr) return std::nullopt;
  const auto stops = accounts->scheduled_sends();
  if (stops == nullptr) return std::nullopt;
  const auto stop = stops->find(details.tenant, details.batch);
  if (stop == account::SendStop::Resuming) return std::nullopt;
  return stop;
}

inline Verdict cancelled_with_batch(std::uint32_t recipient) {
  return Verdict{.recipient = recipient,
                 .state = spool::State::Cancelled,
                 .is_local = true,
                 .is_attempt = false,
                 .detail = "cancelled with its batch"};
}

}  // namespace ekiden::delivery
