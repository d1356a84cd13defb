#pragma once

#include <cstdint>
#include <string>

#include "ekiden/account/suppression.hpp"
#include "ekiden/events/event.hpp"
#include "ekiden/shaping/providers.hpp"

namespace ekiden::feedback {

/// What an event says of its recipient's address.
struct Judgement {
  enum class Kind : std::uint8_t {
    Nothing,
    Suppress,
    SoftFailure,  ///< given up, by the address's own doing, which may pass
    Delivered,
  };
  Kind kind = Kind::Nothing;
  account::SuppressionReason reason = account::SuppressionReason::Bounce;
  std::string stream;  ///< the scope, as in account::Suppression
};

/// A bounce suppresses only when a host said so itself with a permanent reply that the rules call
/// the recipient's own and final. Reputation, policy, content, our own names and addresses, replies
/// of ours and everything with 5.7.x never do (RFC 3463 §3.8: "security or policy status").
Judgement judge(const events::Event& event, const shaping::Providers& providers);

/// The cheap look at an event: false, and `judge` finds nothing in it that counts. A success counts
/// only where failures in a row do.
bool may_count(events::Kind kind, bool counts_successes);

}  // namespace ekiden::feedback
