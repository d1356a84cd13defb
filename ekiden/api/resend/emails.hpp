#pragma once

#include "ekiden/api/frame.hpp"
#include "ekiden/api/sender.hpp"

namespace ekiden::api::resend {

/// Resend's API, as far as it sends: POST /emails and /emails/batch.
void add_routes(Frame& frame, Sender& sender);

}  // namespace ekiden::api::resend
