#pragma once

#include "ekiden/api/frame.hpp"
#include "ekiden/api/sender.hpp"

namespace ekiden::api::postmark {

/// Postmark's API, as far as it sends: POST /email and /email/batch.
void add_routes(Frame& frame, Sender& sender);

}  // namespace ekiden::api::postmark
