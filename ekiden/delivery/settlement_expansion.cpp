// Recipients of one message that go on as those of another: one transaction, so that a crash finds
// either the old ones or the new.
#include <algorithm>

#include "ekiden/base/log.hpp"
#include "ekiden/delivery/settlement.hpp"

namespace ekiden::delivery {

void Settlement::expand(const Context& context, std::vector<spool::Progress> expanded,
                        queue::Accepted into, std::vector<spool::Progress> progress, Lies lies,
                        std::string detail, base::Completion<Result<void>> done) {
  spool::Transaction transaction;
  spool::NewMessage message;
  message.id = into.id;
  message.recipients = static_cast<std::uint32_t>(into.meta->envelope.recipients.size());
  message.meta = message::encode_meta(*into.meta);
  message.body = into.body;
  if (lies == Lies::OnDisk) into.body.octets = {};
  message.progress = std::move(progress);
  transaction.messages.push_back(std::move(message));

  std::vector<std::uint32_t> old;
  for (const spool::Progress& change : expanded) {
    old.push_back(change.recipient);
    const std::uint32_t slot = parts_.scheduler.find(context.id, change.recipient);
    if (slot == queue::kNone) continue;
    const Verdict verdict{.recipient = change.recipient,
                          .is_attempt = false,
                          .detail = events::goes_on_as(detail, into.id)};
    record(context, verdict, events::Kind::Released, parts_.scheduler.recipient(slot),
           transaction.events);
  }
  const std::vector<message::Recipient>& recipients = into.meta->envelope.recipients;
  for (std::uint32_t i = 0; i < recipients.size(); ++i) {
    Context fresh;
    fresh.id = into.id;
    fresh.meta = into.meta;
    const Verdict verdict{
        .recipient = i,
        .is_attempt = false,
        .detail = detail + ", from message " + base::format_message_id(context.id)};
    events::Event event = event_of(fresh, verdict, events::Kind::Accepted, {});
    transaction.events.push_back(events::encode_event(event));
  }
  transaction.updates.push_back({context.id, std::move(expanded)});

  auto boxed = std::make_unique<std::pair<queue::Accepted, base::Completion<Result<void>>>>(
      std::move(into), std::move(done));
  ++batches_;
  parts_.port.submit(std::move(transaction), [this, id = context.id, old = std::move(old),
                                              boxed = std::move(boxed)](Result<void> result) {
    --batches_;
    if (result) {
      for (const std::uint32_t recipient : old) {
        const std::uint32_t slot = parts_.scheduler.find(id, recipient);
        if (slot == queue::kNone) continue;
        parts_.scheduler.remove(slot);
        count(spool::State::Expanded);
      }
      added_.add(boxed->first.meta->envelope.recipients.size());
      parts_.enqueue(std::move(boxed->first));
    }
    boxed->second(result);
    parts_.wake();
  });
}

}  // namespace ekiden::delivery
