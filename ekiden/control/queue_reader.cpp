#include "ekiden/control/queue_reader.hpp"

namespace ekiden::control {

const char* state_of(queue::Place place) {
  switch (place) {
    case queue::Place::Unresolved:
      return "resolving";
    case queue::Place::Ready:
    case queue::Place::Parked:  // Due; `queue explain` names the suspension.
      return "ready";
    case queue::Place::Waiting:
      return "waiting";
    case queue::Place::InFlight:
      return "in_flight";
    case queue::Place::Held:
      return "held";
    case queue::Place::Settling:
    case queue::Place::Free:
      break;
  }
  return "settling";
}

QueuedRecipient outline(const Met& met) {
  QueuedRecipient r;
  r.message = met.message;
  r.index = met.entry.index;
  r.domain = met.domain;
  r.tenant = met.tenant;
  r.stream = met.stream;
  r.state = state_of(met.entry.place);
  r.site = met.site;
  r.route = met.route.empty() ? met.next_hop : met.route;
  r.source = met.source;
  r.accepted = met.received;
  if (met.entry.place == queue::Place::Waiting) r.due = base::from_unix_us(met.entry.due_us);
  r.expires = base::from_unix_us(met.entry.expires_us);
  r.attempts = met.entry.attempts;
  r.reply_code = met.entry.reply_code;
  r.size = met.size;
  return r;
}

base::Task<std::shared_ptr<const message::Meta>> QueueReader::meta(Met met) {
  if (met.resident) {
    co_return std::shared_ptr<const message::Meta>(met.resident, met.resident->meta.get());
  }
  if (meta_ && meta_of_ == met.message) co_return meta_;
  auto begin = [this, id = met.message](base::Completion<Result<std::string>> done) {
    port_.load_meta(id, std::move(done));
  };
  const Result<std::string> octets = co_await base::suspend<Result<std::string>>(std::move(begin));
  if (!octets) co_return nullptr;
  Result<message::Meta> decoded = message::decode_meta(*octets);
  if (!decoded) co_return nullptr;
  meta_ = std::make_shared<const message::Meta>(std::move(*decoded));
  meta_of_ = met.message;
  co_return meta_;
}

base::Task<std::string> QueueReader::reply(Met met) {
  if (met.entry.attempts == 0 && met.entry.reply_code == 0) co_return std::string();
  if (progress_of_ != met.message) {
    auto begin = [this,
                  id = met.message](base::Completion<Result<std::vector<spool::Progress>>> done) {
      port_.load_progress(id, std::move(done));
    };
    Result<std::vector<spool::Progress>> loaded =
        co_await base::suspend<Result<std::vector<spool::Progress>>>(std::move(begin));
    if (!loaded) co_return std::string();
    progress_ = std::move(*loaded);
    progress_of_ = met.message;
  }
  for (const spool::Progress& progress : progress_)
    if (progress.recipient == met.entry.index) co_return progress.reply;
  co_return std::string();
}

base::Task<std::optional<QueuedRecipient>> QueueReader::read(Met met,
                                                             std::shared_ptr<const Sieve> sieve) {
  QueuedRecipient r = outline(met);
  const std::shared_ptr<const message::Meta> known = co_await meta(met);
  if (!known || met.entry.index >= known->envelope.recipients.size()) co_return std::nullopt;
  r.sender = known->envelope.reverse_path;
  r.recipient = known->envelope.recipients[met.entry.index].address;
  if (!sieve->matches(met, r.sender, r.recipient, {}) && !sieve->needs_reply())
    co_return std::nullopt;
  r.reply = co_await reply(met);
  if (!sieve->matches(met, r.sender, r.recipient, r.reply)) co_return std::nullopt;
  co_return r;
}

}  // namespace ekiden::control
