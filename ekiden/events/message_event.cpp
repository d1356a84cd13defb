#include "ekiden/events/message_event.hpp"

namespace ekiden::events {

Event message_event(base::MessageId id, const message::Meta& meta, std::uint32_t recipient) {
  Event event;
  event.message = id;
  event.recipient_index = recipient;
  event.recipient = meta.envelope.recipients[recipient].address;
  event.sender = meta.envelope.reverse_path;
  event.header_from = meta.details.header_from;
  event.subject = meta.details.subject;
  event.tenant = meta.details.tenant;
  event.stream = meta.details.stream;
  event.tags = meta.details.tags;
  event.metadata = meta.details.metadata;
  event.size = meta.details.size;
  event.internet_message_id = meta.details.message_id;
  return event;
}

}  // namespace ekiden::events
