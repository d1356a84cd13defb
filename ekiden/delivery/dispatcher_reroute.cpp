// Recipients that an operator sends to another next hop (delivery/reroute.hpp).
#include <algorithm>

#include "ekiden/base/log.hpp"
#include "ekiden/delivery/dispatcher.hpp"
#include "ekiden/queue/domain_key.hpp"

namespace ekiden::delivery {
namespace {

constexpr std::size_t kCopyOctets = 1 << 20;

/// A large body's file goes when its message does, so another message needs a file of its own.
base::Task<Result<spool::Body>> copy_of(spool::Port& port, spool::Body body) {
  const std::unique_ptr<spool::LargeWriter> writer = port.create_large();
  for (std::uint64_t at = 0; at < body.size;) {
    auto read = [&port, &body, at](base::Completion<Result<base::Octets>> done) {
      port.read(body, at, kCopyOctets, std::move(done));
    };
    Result<base::Octets> piece = co_await base::suspend<Result<base::Octets>>(std::move(read));
    if (!piece) co_return piece.error();
    if (piece->size() == 0) co_return make_error_code(spool::Errc::Corrupt);
    at += piece->size();
    auto append = [&writer, &piece](base::Completion<Result<void>> done) {
      writer->append(std::string(piece->view()), std::move(done));
    };
    const Result<void> written = co_await base::suspend<Result<void>>(std::move(append));
    if (!written) co_return written.error();
  }
  auto finish = [&writer](base::Completion<Result<spool::Body>> done) {
    writer->finish(std::move(done));
  };
  Result<spool::Body> copy = co_await base::suspend<Result<spool::Body>>(std::move(finish));
  // It was whole when it was loaded. What has changed since must not get a sum that agrees with it.
  if (copy && copy->sum() != body.sum()) co_return make_error_code(spool::Errc::Corrupt);
  co_return copy;
}

}  // namespace

void Dispatcher::reroute(Reroute request, std::shared_ptr<Tally> tally) {
  // What is in a transaction, on its way to the disk, or goes there already stays as it is.
  std::vector<OrderTarget> targets;
  for (OrderTarget& target : request.targets) {
    const std::uint32_t slot = scheduler_.find(request.id, target.recipient);
    const queue::Place place =
        slot == queue::kNone ? queue::Place::Settling : scheduler_.recipient(slot).place;
    if (place == queue::Place::Settling || place == queue::Place::InFlight ||
        queue::next_hop_of_key(scheduler_.domain_name(scheduler_.recipient(slot).domain)) ==
            request.next_hop) {
      ++tally->gone;
      continue;
    }
    scheduler_.settle(slot);
    targets.push_back(std::move(target));
  }
  request.targets = std::move(targets);
  if (request.targets.empty()) return;
  // A larger body lies in a file and is copied in pieces.
  const std::uint64_t octets = std::min<std::uint64_t>(request.meta->details.size, kCopyOctets);
  moves_.push({std::move(request), std::move(tally)}, octets);
  begin_moves();
}

void Dispatcher::begin_moves() {
  while (auto next = moves_.begin()) tasks_.spawn(run_move(std::move(next->piece), next->octets));
}

base::Task<void> Dispatcher::run_move(Move move, std::uint64_t octets) {
  co_await move_on(std::move(move.request), std::move(move.tally));
  moves_.ended(octets);
  begin_moves();
}

base::Task<Result<spool::Body>> Dispatcher::own_body(base::MessageId id) {
  spool::Body body;
  const std::uint32_t at = scheduler_.find_message(id);
  if (at != queue::kNone && scheduler_.message(at).resident)
    body = scheduler_.message(at).resident->body;
  if (body.size == 0 || !body.is_in_memory()) {
    auto begin = [this, id](base::Completion<Result<spool::Loaded>> done) {
      parts_.port.load(id, std::move(done));
    };
    Result<spool::Loaded> loaded = co_await base::suspend<Result<spool::Loaded>>(std::move(begin));
    if (!loaded) co_return loaded.error();
    body = std::move(loaded->body);
  }
  if (body.is_in_memory()) co_return body;
  co_return co_await copy_of(parts_.port, std::move(body));
}

base::Task<void> Dispatcher::move_on(Reroute request, std::shared_ptr<Tally> tally) {
  Result<spool::Body> body = co_await own_body(request.id);
  Result<void> result;
  if (!body) {
    result = body.error();
  } else {
    const base::Time now = parts_.worker.clock.now();
    auto meta = std::make_shared<message::Meta>(*request.meta);
    meta->envelope.recipients.clear();
    std::vector<spool::Progress> expanded, fresh;
    for (const OrderTarget& target : request.targets) {
      const std::uint32_t slot = scheduler_.find(request.id, target.recipient);
      if (slot == queue::kNone) continue;
      const queue::RecipientEntry& entry = scheduler_.recipient(slot);
      expanded.push_back({target.recipient, spool::State::Expanded, entry.flags, entry.attempts,
                          base::from_unix_us(entry.due_us), target.reply});
      // Sending it elsewhere is what ends a hold.
      const auto flags = static_cast<std::uint8_t>(entry.flags & ~queue::kHeld);
      fresh.push_back({static_cast<std::uint32_t>(meta->envelope.recipients.size()),
                       spool::State::Queued, flags, entry.attempts, now, target.reply});
      meta->envelope.recipients.push_back(request.meta->envelope.recipients[target.recipient]);
      meta->envelope.recipients.back().next_hop = request.next_hop;
    }
    if (expanded.empty()) co_return;
    Settlement::Context context;
    context.id = request.id;
    context.meta = request.meta;
    queue::Accepted into{settlement_.next_id(), meta, std::move(*body), fresh};
    // What waited on the disk alone goes on to wait there: they may be a million.
    const std::uint32_t old = scheduler_.find_message(request.id);
    const bool was_resident = old != queue::kNone && scheduler_.message(old).resident != nullptr;
    const auto lies = was_resident ? Settlement::Lies::InMemory : Settlement::Lies::OnDisk;
    auto begin = [&](base::Completion<Result<void>> done) {
      settlement_.expand(context, std::move(expanded), std::move(into), std::move(fresh), lies,
                         "rerouted to " + request.next_hop, std::move(done));
    };
    result = co_await base::suspend<Result<void>>(std::move(begin));
  }
  if (result) {
    tally->done += request.targets.size();
    note_queued();
    co_return;
  }
  base::log::warning("reroute_failed", {{"message", base::format_message_id(request.id)},
                                        {"error", result.error().message()}});
  tally->gone += request.targets.size();
  const base::Time now = parts_.worker.clock.now();
  for (const OrderTarget& target : request.targets) {
    const std::uint32_t slot = scheduler_.find(request.id, target.recipient);
    if (slot == queue::kNone) continue;
    const queue::RecipientEntry& entry = scheduler_.recipient(slot);
    if ((entry.flags & queue::kHeld) != 0) {
      scheduler_.hold(slot);
    } else {
      scheduler_.defer(slot, base::from_unix_us(entry.due_us), now, entry.attempts,
                       entry.reply_code);
    }
  }
  wake();
}

}  // namespace ekiden::delivery
