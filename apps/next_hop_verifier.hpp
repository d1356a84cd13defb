#pragma once

#include <string>
#include <utility>

#include "ekiden/delivery/recipient_probe.hpp"
#include "ekiden/inbound/recipient_verifier.hpp"

namespace ekiden::apps {

/// Lets inbound sessions ask through delivery, which they do not know.
class NextHopVerifier final : public inbound::RecipientVerifier {
 public:
  explicit NextHopVerifier(delivery::RecipientProbe& probe) : probe_(probe) {}

  base::Task<inbound::RecipientStatus> verify(std::string recipient, std::string next_hop,
                                              base::Steady deadline) override {
    const delivery::ProbeAnswer answer =
        co_await probe_.ask(std::move(recipient), std::move(next_hop), deadline);
    switch (answer) {
      case delivery::ProbeAnswer::Taken:
        co_return inbound::RecipientStatus::Exists;
      case delivery::ProbeAnswer::Unknown:
        co_return inbound::RecipientStatus::Unknown;
      case delivery::ProbeAnswer::CannotTell:
        break;
    }
    co_return inbound::RecipientStatus::CannotTell;
  }

 private:
  delivery::RecipientProbe& probe_;
};

}  // namespace ekiden::apps
