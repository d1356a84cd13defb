#pragma once

#include "ekiden/api/router.hpp"
#include "ekiden/api/sender.hpp"

namespace ekiden::api {

/// An endpoint of a write that makes nothing with an id of its own: done once for an
/// Idempotency-Key. A repetition gets the first answer, the key with another request 409 by
/// `refuse`. What changed nothing (4xx, 503) leaves the key free.
///
/// A crash between the change and the keeping of its answer leaves the key claimed; the repetition
/// is done anew.
Endpoint once(Sender& sender, Endpoint endpoint, FormatProblem refuse = own_problem);

}  // namespace ekiden::api
