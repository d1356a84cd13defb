#include "ekiden/api/api.hpp"

#include "ekiden/api/admin/routes.hpp"
#include "ekiden/api/blastengine/bulk.hpp"
#include "ekiden/api/blastengine/logs.hpp"
#include "ekiden/api/blastengine/transaction.hpp"
#include "ekiden/api/postmark/email.hpp"
#include "ekiden/api/resend/emails.hpp"
#include "ekiden/api/sendgrid/mail_send.hpp"
#include "ekiden/api/sendgrid/routes.hpp"

namespace ekiden::api {

std::uint64_t body_octets_max(std::uint64_t message_octets) {
  constexpr std::uint64_t kAround = 1024 * 1024;
  return message_octets / 3 * 4 + kAround;
}

Shared::Shared(Parts parts)
    : parts_(std::move(parts)),
      events_(parts_.pool, parts_.data_dir + "/events"),
      idempotency_(parts_.pool, parts_.data_dir, parts_.clock, parts_.idempotency_kept),
      store_({parts_.pool, parts_.store, parts_.node_key, parts_.ledger, parts_.home,
              parts_.settings, idempotency_}) {}

Shared::~Shared() = default;

void Shared::set_node(control::NodeControl& node) {
  node_ = std::make_unique<NodeDesk>(node, parts_.home);
}

void Shared::stop() {
  if (node_) node_->stop();
}

Api::Api(Parts parts)
    : parts_(std::move(parts)),
      frame_(
          {parts_.worker, parts_.accounts, parts_.node_key, parts_.services.ids, parts_.metrics}),
      sender_({parts_.worker, parts_.pool, parts_.services, parts_.submission,
               parts_.shared.idempotency(),
               [this](base::MessageId id) { return messages_.was_stored(id); }}),
      messages_({parts_.worker, parts_.services.spool, parts_.shared}),
      jobs_(sender_, parts_.shared.jobs(), parts_.shared.templates()),
      templates_(sender_, parts_.shared.templates()),
      originals_({parts_.worker, parts_.pool, parts_.services, parts_.shared, sender_, messages_}),
      streams_({parts_.worker, parts_.shared, parts_.metrics}),
      queue_({parts_.worker, [this] { return parts_.shared.find_node(); }, parts_.shared.store()}) {
  frame_.set_finish(
      [this](const Call& call, HttpResponse& response) { sender_.tell_allowance(call, response); });
  add_key_routes(frame_);
  add_sending_routes(frame_, sender_, jobs_);
  jobs::add_routes(frame_, jobs_);
  jobs::add_template_routes(frame_, templates_);
  add_message_routes(frame_, messages_, jobs_);
  add_original_routes(frame_, originals_);
  add_stream_routes(frame_, streams_);
  add_description_route(frame_);
  admin::add_routes(frame_, parts_.shared.store(), parts_.make_resolver);
  admin::add_queue_routes(frame_, queue_);
  admin::add_operation_routes(frame_, queue_);
  blastengine::add_routes(frame_, sender_, jobs_);
  blastengine::add_bulk_routes(frame_, jobs_, messages_);
  blastengine::add_recipient_routes(frame_, jobs_);
  blastengine::add_log_routes(frame_, parts_.shared.events(), jobs_);
  blastengine::add_report_routes(frame_, parts_.shared.events(), jobs_);
  blastengine::add_usage_routes(frame_, parts_.shared.events());
  postmark::add_routes(frame_, sender_);
  resend::add_routes(frame_, sender_);
  sendgrid::add_routes(frame_, sender_, templates_);
  sendgrid::add_admin_routes(frame_, parts_.shared.store(), parts_.shared.events(), queue_, jobs_);
}

Api::~Api() = default;

void Api::serve_from(HttpServer& server) {
  server.set_body_budget(
      {[&intake = parts_.services.intake](std::uint64_t octets) { return intake.reserve(octets); },
       [&intake = parts_.services.intake](std::uint64_t octets) { intake.release(octets); }});
  frame_.serve_from(server);
}

}  // namespace ekiden::api
