#include "ekiden/bulk/record_writer.hpp"

#include <utility>

#include "ekiden/events/message_event.hpp"
#include "ekiden/message/envelope.hpp"
#include "ekiden/message/job_protocol.hpp"

namespace ekiden::bulk {
namespace {

constexpr std::size_t kNameOctetsMax = 200;

}  // namespace

base::Task<Result<void>> RecordWriter::add(std::string octets) {
  size_ += octets.size();
  octets_ += octets;
  if (file_ == nullptr && octets_.size() <= large_octets_) co_return Result<void>();
  if (file_ == nullptr) file_ = services_.port.create_large();
  if (file_ == nullptr) co_return make_error_code(spool::Errc::Io);
  auto append = [this](base::Completion<Result<void>> done) {
    file_->append(std::exchange(octets_, {}), std::move(done));
  };
  co_return co_await base::suspend<Result<void>>(std::move(append));
}

base::Task<Result<void>> RecordWriter::finish(base::MessageId id, Head head, std::string from,
                                              std::string subject) {
  spool::Body body;
  if (file_ != nullptr) {
    auto finish = [this](base::Completion<Result<spool::Body>> done) {
      file_->finish(std::move(done));
    };
    Result<spool::Body> finished = co_await base::suspend<Result<spool::Body>>(std::move(finish));
    if (!finished) co_return finished.error();
    body = std::move(*finished);
  } else {
    body.size = size_;
    body.octets = base::Octets(std::move(octets_));
  }
  const base::Time now = services_.worker.clock.now();
  message::Meta meta;
  meta.envelope.recipients.push_back({std::string(kJobAddress), {}, message::kNotifyNever, {}});
  message::Details& details = meta.details;
  details.tenant = head.tenant;
  details.stream = head.stream;
  details.received = now;
  details.send_at = head.send_at;
  details.client_address = head.client_address;
  details.identity = head.identity;
  details.protocol = message::kJobProtocol;
  details.header_from = std::move(from);
  details.subject = std::move(subject);
  if (details.subject.size() > kNameOctetsMax) details.subject.resize(kNameOctetsMax);
  details.metadata = "{\"rows\":" + std::to_string(head.rows) + "}";
  details.size = body.size;
  details.is_own = true;

  events::Event event = events::message_event(id, meta, 0);
  event.metadata.clear();
  event.time = now;
  event.kind = events::Kind::Accepted;
  event.recipient.clear();
  event.recipient_index = events::kNoRecipient;
  event.identity = head.identity;
  event.client_address = head.client_address;
  event.detail = "a job of " + std::to_string(head.rows) + " recipients";
  event.id = events::event_id(id, event.recipient_index, event.kind, 0);

  spool::NewMessage message;
  message.id = id;
  message.recipients = 1;
  message.meta = message::encode_meta(meta);
  message.body = std::move(body);
  spool::Transaction transaction;
  transaction.messages.push_back(std::move(message));
  transaction.events.push_back(events::encode_event(event));
  auto submit = [&](base::Completion<Result<void>> done) {
    services_.port.submit(std::move(transaction), std::move(done));
  };
  co_return co_await base::suspend<Result<void>>(std::move(submit));
}

}  // namespace ekiden::bulk
