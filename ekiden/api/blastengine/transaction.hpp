#pragma once

#include "ekiden/api/frame.hpp"
#include "ekiden/api/jobs/job_desk.hpp"
#include "ekiden/api/sender.hpp"
#include "ekiden/webhook/payload.hpp"

namespace ekiden::api::blastengine {

/// blastengine's API v1, as far as it sends one message: POST /api/v1/deliveries/transaction, as
/// JSON or with attachments as multipart/form-data.
void add_routes(Frame& frame, Sender& sender, jobs::JobDesk& jobs);

/// A problem as blastengine tells it: {"error_messages": {"field": ["…"]}}.
HttpResponse tell(const Problem& problem, const Caller& caller);

/// 404, in blastengine's words.
Problem no_data();

using webhook::delivery_id;
using webhook::delivery_time;

}  // namespace ekiden::api::blastengine
