#pragma once

#include <memory>
#include <optional>
#include <string>

#include "ekiden/api/message_desk.hpp"
#include "ekiden/api/sender.hpp"
#include "ekiden/inbound/services.hpp"
#include "ekiden/message/envelope.hpp"

namespace ekiden::api {

/// Messages as they were accepted: from the queue while they are there, then from the archive of
/// tenants and streams that have one.
///
/// Sharing: its worker only.
class OriginalDesk {
 public:
  struct Parts {
    base::Worker& worker;
    base::Executor& pool;
    inbound::Services& services;
    Shared& shared;
    Sender& sender;
    MessageDesk& messages;
  };
  explicit OriginalDesk(Parts parts) : parts_(parts) {}

  base::Task<HttpResponse> show(std::shared_ptr<Call> call);
  base::Task<HttpResponse> resend(std::shared_ptr<Call> call);

 private:
  struct Original {
    std::optional<Problem> problem;
    message::Meta meta;
    std::string octets;
  };
  base::Task<Original> find(std::shared_ptr<Call> call);
  base::Task<Original> find_queued(base::MessageId id, bool& is_known);
  base::Task<Problem> why_gone(std::shared_ptr<Call> call, base::MessageId id);

  Parts parts_;
};

}  // namespace ekiden::api
