#pragma once

#include "ekiden/api/jobs/job_desk.hpp"
#include "ekiden/api/message_desk.hpp"

namespace ekiden::api::blastengine {

/// blastengine's bulk deliveries over our jobs: begin, update, commit, cancel, delete, and what
/// there is of a delivery.
void add_bulk_routes(Frame& frame, jobs::JobDesk& jobs, MessageDesk& messages);
/// Their recipients, one by one or as CSV.
void add_recipient_routes(Frame& frame, jobs::JobDesk& jobs);

}  // namespace ekiden::api::blastengine
