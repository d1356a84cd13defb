#pragma once

#include "ekiden/api/frame.hpp"
#include "ekiden/api/sender.hpp"

namespace ekiden::api::blastengine {

/// blastengine's API v1, as far as it sends one message: POST /api/v1/deliveries/transaction, as
/// JSON or with attachments as multipart/form-data.
void add_routes(Frame& frame, Sender& sender);

/// Problems as blastengine tells them: {"error_messages": {"main": ["…"]}}.
HttpResponse tell(const Problem& problem, const Caller& caller);

/// A number for a message, as blastengine's clients want one: milliseconds and the end of the id.
std::int64_t delivery_id(base::MessageId id);
/// The millisecond that a message with this number was accepted in.
base::Time delivery_time(std::int64_t delivery_id);

}  // namespace ekiden::api::blastengine
