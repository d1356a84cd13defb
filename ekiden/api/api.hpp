#pragma once

#include <functional>
#include <memory>
#include <string>

#include "ekiden/api/admin/queue_routes.hpp"
#include "ekiden/api/event_desk.hpp"
#include "ekiden/api/event_stream.hpp"
#include "ekiden/api/frame.hpp"
#include "ekiden/api/idempotency.hpp"
#include "ekiden/api/jobs/job_desk.hpp"
#include "ekiden/api/jobs/templates.hpp"
#include "ekiden/api/message_desk.hpp"
#include "ekiden/api/node_desk.hpp"
#include "ekiden/api/original_desk.hpp"
#include "ekiden/api/sender.hpp"
#include "ekiden/api/store_desk.hpp"
#include "ekiden/bulk/desk.hpp"
#include "ekiden/dns/resolver.hpp"
#include "ekiden/inbound/services.hpp"

namespace ekiden::api {

/// A body that carries a message of this size, its attachments in base64 and JSON around them.
std::uint64_t body_octets_max(std::uint64_t message_octets);

/// What the APIs of all workers share. It outlives them.
struct Shared {
  struct Parts {
    base::Executor& pool;
    std::string data_dir;
    base::Clock& clock;
    account::Store& store;
    const account::HashKey& node_key;
    webhook::Ledger& ledger;
    /// Where `settings` is asked, and the node.
    base::Worker& home;
    std::function<std::shared_ptr<const config::Settings>()> settings;
    bulk::Desk& jobs;
    account::TemplateStore& templates;
    base::Duration idempotency_kept = std::chrono::hours(48);
  };
  explicit Shared(Parts parts);
  ~Shared();

  /// Before the first request.
  void set_node(control::NodeControl& node);
  NodeDesk& node() { return *node_; }
  /// Null before `set_node`.
  NodeDesk* find_node() { return node_.get(); }
  EventDesk& events() { return events_; }
  IdempotencyBook& idempotency() { return idempotency_; }
  bulk::Desk& jobs() { return parts_.jobs; }
  StreamSlots& streams() { return streams_; }
  const Parts& parts() const { return parts_; }
  StoreDesk& store() { return store_; }
  account::TemplateStore& templates() { return parts_.templates; }
  void stop();

 private:
  Parts parts_;
  std::unique_ptr<NodeDesk> node_;
  EventDesk events_;
  IdempotencyBook idempotency_;
  StreamSlots streams_;
  StoreDesk store_;
};

/// The HTTP API of one worker: the frame and everything in it.
///
/// Sharing: its worker only.
class Api {
 public:
  struct Parts {
    base::Worker& worker;
    base::Executor& pool;
    /// A resolver that remembers nothing, for each question about a tenant's domain.
    std::function<std::unique_ptr<dns::Resolver>()> make_resolver;
    inbound::Services& services;
    /// How mail is admitted now; on the worker.
    std::function<std::shared_ptr<const inbound::ListenerOptions>()> submission;
    const account::SnapshotSource& accounts;
    const account::HashKey& node_key;
    base::Metrics& metrics;
    Shared& shared;
  };
  explicit Api(Parts parts);
  ~Api();

  void serve_from(HttpServer& server);
  Frame& frame() { return frame_; }

 private:
  Parts parts_;
  Frame frame_;
  Sender sender_;
  MessageDesk messages_;
  jobs::JobDesk jobs_;
  jobs::TemplateDesk templates_;
  OriginalDesk originals_;
  EventStreams streams_;
  admin::QueueDesk queue_;
};

/// GET /v1/key: what the key that asks may do.
void add_key_routes(Frame& frame);
/// POST /v1/messages, /v1/messages/raw, /v1/messages/batch.
void add_sending_routes(Frame& frame, Sender& sender, jobs::JobDesk& jobs);
/// GET /v1/messages, /v1/messages/{id}, POST /v1/messages/{id}/cancel, GET /v1/events, /v1/stats.
void add_message_routes(Frame& frame, MessageDesk& desk, jobs::JobDesk& jobs);
/// GET /v1/messages/{id}/original, POST /v1/messages/{id}/resend.
void add_original_routes(Frame& frame, OriginalDesk& desk);
/// GET /v1/events/stream.
void add_stream_routes(Frame& frame, EventStreams& streams);
/// GET /v1/openapi.json, to everybody.
void add_description_route(Frame& frame);

}  // namespace ekiden::api
