#pragma once

#include <optional>
#include <string>

#include "ekiden/inbound/admission.hpp"
#include "ekiden/inbound/arrival.hpp"

namespace ekiden::inbound {

/// Maps and aliases of a recipient, by whatever way the message comes. Nothing: no rule concerns
/// it, or it is another address now, and it is admitted like any other. Else the answer: 250 when
/// `arrival` has everybody who stands for it, or the refusal.
std::optional<smtp::Reply> expand_recipient(Arrival& arrival, const Admission& admission,
                                            const ListenerOptions& options, const Client& client,
                                            smtp::RcptCommand& rcpt);

/// Where mail for one of our own domains goes; empty for others.
std::string own_next_hop(const ListenerOptions& options, const smtp::Address& address);

/// RFC 3461 §4.2: who rewrites a recipient tells what it was.
std::string original_recipient(const smtp::RcptCommand& rcpt);

}  // namespace ekiden::inbound
