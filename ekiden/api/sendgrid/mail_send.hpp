#pragma once

#include "ekiden/api/frame.hpp"
#include "ekiden/api/jobs/templates.hpp"
#include "ekiden/api/sender.hpp"

namespace ekiden::api::sendgrid {

/// SendGrid's v3 API, as far as it sends: POST /v3/mail/send. docs/API.md says what it leaves out.
void add_routes(Frame& frame, Sender& sender, jobs::TemplateDesk& templates);

/// A problem as SendGrid tells it: {"errors": [{"message", "field", "help"}]}.
HttpResponse tell(const Problem& problem, const Caller& caller);

/// /v3/templates: templates and their versions (templates.cpp).
void add_sendgrid_templates(Frame& frame, jobs::TemplateDesk& templates);

}  // namespace ekiden::api::sendgrid
