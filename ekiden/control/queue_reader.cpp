#include "ekiden/control/queue_reader.hpp"

#include <algorithm>
#include <unordered_map>

namespace ekiden::control {
namespace {

/// Places in a list, by the message that they belong to.
struct ByMessage {
  std::vector<base::MessageId> ids;
  std::vector<std::vector<std::uint32_t>> places;

  void add(base::MessageId id, std::uint32_t place) {
    const auto [at, is_new] = at_.try_emplace(id, static_cast<std::uint32_t>(ids.size()));
    if (is_new) {
      ids.push_back(id);
      places.emplace_back();
    }
    places[at->second].push_back(place);
  }

 private:
  std::unordered_map<base::MessageId, std::uint32_t> at_;
};

/// What is being read. While the pool is at it nobody else is.
struct Reading {
  std::shared_ptr<const Sieve> sieve;
  std::vector<Found> found;
  std::vector<bool> is_meant;
  ByMessage wanted;
  bool is_short = false;  ///< the disk kept something back

  /// Whether the addresses are meant; `meta` stays only where they are.
  void compare(std::uint32_t place, const std::shared_ptr<const message::Meta>& meta) {
    Found& one = found[place];
    if (one.met.entry.index >= meta->envelope.recipients.size()) return;
    one.meta = meta;
    is_meant[place] = sieve->means_addresses(one.sender(), one.recipient(), meta->details.batch);
    if (!is_meant[place]) one.meta = nullptr;
  }
  void drop_unmeant() {
    std::size_t kept = 0;
    for (std::size_t i = 0; i < found.size(); ++i) {
      if (!is_meant[i]) continue;
      if (kept != i) found[kept] = std::move(found[i]);
      ++kept;
    }
    found.resize(kept);
    is_meant.assign(kept, true);
    wanted = {};
  }
};

base::Task<void> read_metas(spool::Port& port, std::shared_ptr<Reading> reading) {
  reading->is_meant.assign(reading->found.size(), false);
  for (std::uint32_t i = 0; i < reading->found.size(); ++i) {
    const Met& met = reading->found[i].met;
    if (met.resident) {
      reading->compare(
          i, std::shared_ptr<const message::Meta>(met.resident, met.resident->meta.get()));
    } else {
      reading->wanted.add(met.message, i);
    }
  }
  if (!reading->wanted.ids.empty()) {
    auto begin = [&port, reading](base::Completion<Result<void>> done) {
      port.visit_metas(
          reading->wanted.ids,
          [reading](std::size_t at, std::string_view octets) {
            Result<message::Meta> decoded = message::decode_meta(octets);
            if (!decoded) return;
            const auto meta = std::make_shared<const message::Meta>(std::move(*decoded));
            for (const std::uint32_t place : reading->wanted.places[at])
              reading->compare(place, meta);
          },
          std::move(done));
    };
    // What a failing disk keeps back is left out, as is what has gone.
    const Result<void> read = co_await base::suspend<Result<void>>(std::move(begin));
    reading->is_short = reading->is_short || !read;
  }
  reading->drop_unmeant();
}

base::Task<void> read_replies(spool::Port& port, std::shared_ptr<Reading> reading) {
  for (std::uint32_t i = 0; i < reading->found.size(); ++i) {
    const Met& met = reading->found[i].met;
    if (met.entry.attempts > 0 || met.entry.reply_code != 0) reading->wanted.add(met.message, i);
  }
  if (reading->wanted.ids.empty()) co_return;
  auto begin = [&port, reading](base::Completion<Result<void>> done) {
    port.visit_progress(
        reading->wanted.ids,
        [reading](std::size_t at, std::vector<spool::Progress> all) {
          for (const std::uint32_t place : reading->wanted.places[at])
            for (spool::Progress& progress : all)
              if (progress.recipient == reading->found[place].met.entry.index)
                reading->found[place].reply = std::move(progress.reply);
        },
        std::move(done));
  };
  const Result<void> read = co_await base::suspend<Result<void>>(std::move(begin));
  reading->is_short = reading->is_short || !read;
}

}  // namespace

base::Task<std::vector<Found>> read_back(spool::Port& port, std::vector<Met> met,
                                         std::shared_ptr<const Sieve> sieve, ReadBack what,
                                         bool* is_short) {
  const auto reading = std::make_shared<Reading>();
  reading->sieve = sieve;
  reading->found.reserve(met.size());
  for (Met& one : met) reading->found.push_back({std::move(one), nullptr, {}});
  if (what.meta || sieve->needs_meta()) co_await read_metas(port, reading);
  const auto cut = [&] {
    if (reading->found.size() > what.count_max) reading->found.resize(what.count_max);
  };
  if (!sieve->needs_reply()) cut();
  if (what.reply || sieve->needs_reply()) co_await read_replies(port, reading);
  if (sieve->needs_reply()) {
    std::erase_if(reading->found,
                  [&](const Found& found) { return !sieve->means_reply(found.reply); });
    cut();
  }
  if (is_short != nullptr) *is_short = reading->is_short;
  co_return std::move(reading->found);
}

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

const char* state_of(spool::State state) {
  switch (state) {
    case spool::State::Queued:
      break;
    case spool::State::Delivered:
      return "delivered";
    case spool::State::Bounced:
      return "bounced";
    case spool::State::Expired:
      return "expired";
    case spool::State::Suppressed:
      return "suppressed";
    case spool::State::Cancelled:
      return "cancelled";
    case spool::State::Expanded:
      return "expanded";
  }
  return "settling";
}

QueuedRecipient as_seen(const Found& found) {
  const Met& met = found.met;
  QueuedRecipient r;
  r.message = met.message;
  r.index = met.entry.index;
  r.sender = found.sender();
  r.recipient = found.recipient();
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
  r.reply = found.reply;
  r.size = met.size;
  return r;
}

}  // namespace ekiden::control
