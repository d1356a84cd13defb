// Messages whose octets left memory, read back when a connection wants them: as many at a time as
// the memory budget has room for.
#include <algorithm>

#include "ekiden/delivery/dispatcher.hpp"

namespace ekiden::delivery {
namespace {

/// A message that could not be read for a while is tried again after this.
constexpr base::Duration kUnreadablePause = std::chrono::seconds(10);
/// Room is made by other workers too, who do not say so: it is looked for this often.
constexpr base::Duration kReadersLook = std::chrono::milliseconds(10);
/// What is due within this keeps its octets; so many entries are looked at for others.
constexpr base::Duration kSoon = std::chrono::minutes(1);
constexpr std::size_t kEvictionLooks = 64;

}  // namespace

base::Task<void> Dispatcher::load_and_grant(std::uint64_t link, std::vector<queue::Pick> picks) {
  std::vector<Job> jobs;
  std::size_t at = 0;
  for (; at < picks.size(); ++at) {
    const std::uint64_t octets = octets_to_read(picks[at].id);
    if (jobs.empty()) {
      const bool is_turn = co_await turn_to_read(octets);
      if (!is_turn) break;
    } else if (!readers_.empty() || (octets > 0 && !parts_.budget.reserve_read(octets))) {
      // What is in hand is not kept for company: others may wait for its end.
      break;
    }
    queue::Charge charge;
    if (octets > 0) charge = queue::Charge::of_read(parts_.budget, octets);
    // The connection may have given up meanwhile.
    if (links_.count(link) == 0) break;
    std::optional<Job> job = co_await load_job(picks[at], std::move(charge));
    if (!job) continue;
    jobs.push_back(std::move(*job));
    const bool is_turn = co_await turn_to_begin(link);
    // Nobody has heard of it yet: what an operator wanted of it meanwhile is done first.
    if (is_turn && !orders_.concern(jobs.back().id, jobs.back().recipients)) continue;
    // Its place in the line is kept, and what was read with it while there is room.
    put_back(jobs.back().id, jobs.back().recipients);
    jobs.pop_back();
  }
  for (std::size_t left = picks.size(); left > at; --left)
    put_back(picks[left - 1].id, picks[left - 1].recipients);
  const auto place = links_.find(link);
  if (place == links_.end()) {
    for (const Job& job : jobs) put_back(job.id, job.recipients);
  } else if (jobs.empty()) {
    place->second.wants = 1;
    serve(link, place->second, parts_.worker.clock.now());
  } else {
    grant(link, std::move(jobs));
  }
}

/// Nothing: it cannot be read, now or ever, or its batch is stopped; its recipients are where they
/// belong.
base::Task<std::optional<Job>> Dispatcher::load_job(queue::Pick& pick, queue::Charge charge) {
  auto begin = [this, id = pick.id](base::Completion<Result<spool::Loaded>> done) {
    parts_.port.load(id, std::move(done));
  };
  Result<spool::Loaded> loaded = co_await base::suspend<Result<spool::Loaded>>(std::move(begin));
  Result<message::Meta> meta =
      loaded ? message::decode_meta(loaded->meta) : Result<message::Meta>(loaded.error());
  if (!meta && meta.error() == make_error_code(spool::Errc::Io)) {
    // The disk may heal: they wait a little, and no attempt is used up.
    defer_unread(pick);
    co_return std::nullopt;
  }
  if (!meta) {
    forget_message(pick.id, meta.error());
    co_return std::nullopt;
  }
  const auto resident = std::make_shared<const queue::Resident>(
      queue::Resident{std::make_shared<const message::Meta>(std::move(*meta)),
                      std::move(loaded->body), std::move(charge)});
  if (is_stopped(pick, resident)) co_return std::nullopt;
  co_return job_of(pick, resident);
}

std::uint64_t Dispatcher::octets_to_read(base::MessageId id) const {
  const std::uint32_t at = scheduler_.find_message(id);
  if (at == queue::kNone) return 0;
  const std::uint64_t size = scheduler_.message(at).size;
  return size > options_.large_octets ? 0 : size;
}

/// Waits until so many octets are reserved. False: nothing is read any more, we are stopping.
base::Task<bool> Dispatcher::turn_to_read(std::uint64_t octets) {
  if (octets == 0 || (readers_.empty() && parts_.budget.reserve_read(octets))) co_return true;
  if (is_stopping_) co_return false;
  // Those that wait long for their next attempt go first.
  scheduler_.evict(parts_.worker.clock.now() + kSoon, kEvictionLooks);
  auto begin = [this, octets](base::Completion<bool> done) {
    readers_.push_back({octets, std::move(done)});
    serve_readers();
  };
  co_return co_await base::suspend<bool>(std::move(begin));
}

void Dispatcher::serve_readers() {
  while (!readers_.empty() && parts_.budget.reserve_read(readers_.front().octets)) {
    // Posted: whoever calls this may be in the middle of its books.
    parts_.worker.executor.post(
        [done = std::move(readers_.front().done)]() mutable { done(true); });
    readers_.pop_front();
  }
  if (readers_.empty() || is_reader_timer_set_) return;
  is_reader_timer_set_ = true;
  parts_.worker.clock.call_after(kReadersLook, [this] {
    is_reader_timer_set_ = false;
    serve_readers();
  });
}

void Dispatcher::dismiss_readers() {
  for (Reader& reader : std::exchange(readers_, {}))
    parts_.worker.executor.post([done = std::move(reader.done)]() mutable { done(false); });
}

void Dispatcher::defer_unread(const queue::Pick& pick) {
  look_at_clock();
  const base::Time now = parts_.worker.clock.now();
  for (const std::uint32_t index : pick.recipients) {
    const std::uint32_t slot = scheduler_.find(pick.id, index);
    if (slot == queue::kNone) continue;
    const queue::RecipientEntry& entry = scheduler_.recipient(slot);
    scheduler_.defer(slot, now + kUnreadablePause, now, entry.attempts, entry.reply_code);
  }
  obey_orders(pick.id, pick.recipients);
}

}  // namespace ekiden::delivery
