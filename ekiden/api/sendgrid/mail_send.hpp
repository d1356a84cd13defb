#pragma once

#include "ekiden/api/frame.hpp"
#include "ekiden/api/sender.hpp"

namespace ekiden::api::sendgrid {

/// Problems as SendGrid tells them: {"errors": [{"message", "field", "help"}]}.
HttpResponse tell(const Problem& problem, const Caller& caller);

/// SendGrid's v3 API, as far as it sends: POST /v3/mail/send. docs/API.md says what it leaves out.
void add_routes(Frame& frame, Sender& sender);

}  // namespace ekiden::api::sendgrid
