// Invariants:
// - A job's mark moves in the transaction that makes messages of the rows before it.
// - jobs_ holds exactly the jobs that the spool has, each with one coroutine.
// - A job's Untried grows past being full by one frame at most; only its own coroutine adds to it.
#include "ekiden/bulk/expander.hpp"

#include <algorithm>
#include <utility>

#include "ekiden/base/log.hpp"
#include "ekiden/base/pool_task.hpp"
#include "ekiden/bulk/expander_job.hpp"
#include "ekiden/events/message_event.hpp"

namespace ekiden::bulk {
namespace {

using std::chrono::seconds;

/// Of the record, read at a time.
constexpr std::size_t kSliceOctets = 256 * 1024;
/// The disk, the memory or a limit says later: asked again after so long.
constexpr base::Duration kLater = seconds(5);
/// Rows that are made between two turns of the worker, so that mail in transit waits a millisecond.
constexpr std::size_t kRowsPerTurn = 8;

base::Task<void> next_turn(base::Worker& worker) {
  auto begin = [&](base::Completion<int> done) {
    worker.executor.post([d = std::move(done)]() mutable { d(0); });
  };
  (void)co_await base::suspend<int>(std::move(begin));
}

std::string_view domain_of(std::string_view address) {
  const std::size_t at = address.rfind('@');
  return at == std::string_view::npos ? std::string_view() : address.substr(at + 1);
}

}  // namespace

Expander::Expander(Parts parts)
    : parts_(std::move(parts)),
      tasks_(parts_.worker),
      recovered_(parts_.metrics.counter("ekiden_recipients_recovered_total",
                                        "Recipients that were queued when the relay started")),
      expanded_(parts_.metrics.counter("ekiden_recipients_expanded_total",
                                       "Recipients that other recipients stand for now")),
      cancelled_(parts_.metrics.counter("ekiden_recipients_cancelled_total",
                                        "Recipients discarded by route or operator")),
      added_(parts_.metrics.counter("ekiden_recipients_added_total",
                                    "Recipients that stand for expanded ones")),
      quarantined_(parts_.metrics.counter("ekiden_recipients_quarantined_total",
                                          "Recipients of messages that could not be read back")),
      rejected_(parts_.metrics.counter("ekiden_bulk_rows_rejected_total",
                                       "Rows of bulk jobs that admission refused")),
      queued_(parts_.metrics.gauge("ekiden_recipients_queued", "Recipients without a disposition",
                                   {{"worker", "jobs"}})),
      waiting_rows_(parts_.metrics.gauge("ekiden_bulk_rows_untried",
                                         "Messages of bulk jobs that wait for their first try")) {
  parts_.watch.on_tried([this, &home = parts_.worker.executor, alive = is_alive_] {
    home.post([this, alive] {
      if (*alive) hear_tried();
    });
  });
}

Expander::~Expander() {
  *is_alive_ = false;
  parts_.watch.on_tried({});
  // A job holds the coroutine that waits for it, and that one holds the job.
  for (const auto& [id, job] : jobs_) {
    const base::Completion<int> dropped = std::exchange(job->waiting, {});
  }
}

void Expander::take(base::MessageId id, Wish wish, Came came) {
  if (is_stopping_ || jobs_.contains(id)) return;
  auto job = std::make_shared<Job>();
  job->id = id;
  job->wish = wish;
  jobs_.emplace(id, job);
  // It came as any recipient does, and goes when it is expanded.
  (came == Came::Recovered ? recovered_ : parts_.services.instruments.recipients).add();
  queued_.set(static_cast<std::int64_t>(jobs_.size()));
  tasks_.spawn(run(std::move(job)));
}

void Expander::note_untried(const std::vector<base::MessageId>& rows) {
  for (const base::MessageId row : rows)
    if (untried_[job_of(row)].add(row_of(row), {})) ++untried_of_all_;
  waiting_rows_.set(static_cast<std::int64_t>(untried_of_all_));
}

bool Expander::set(base::MessageId id, Wish wish) {
  const auto found = jobs_.find(id);
  if (found == jobs_.end()) return false;
  Job& job = *found->second;
  if (job.wish == wish || job.wish == Wish::Cancel) return true;
  job.wish = wish;
  wake(job);
  return true;
}

void Expander::stop() {
  is_stopping_ = true;
  for (const auto& [id, job] : jobs_) wake(*job);
  tasks_.close();
}

base::Task<void> Expander::run(std::shared_ptr<Job> job) {
  while (!is_stopping_) {
    if (job->wish == Wish::Cancel) {
      const bool is_over = co_await end(*job);
      if (is_over) break;
      co_await wait(*job, kLater);
      continue;
    }
    if (job->wish == Wish::Pause) {
      leave_slot(*job);
      co_await wait(*job, std::nullopt);
      continue;
    }
    if (!job->is_open) {
      co_await take_slot(*job);
      if (!job->has_slot) continue;
      const bool is_open = co_await open(*job);
      if (!is_open) {
        leave_slot(*job);
        if (job->is_gone) break;
        co_await wait(*job, kLater);
        continue;
      }
    }
    std::optional<base::Duration> pause = std::exchange(job->later, std::nullopt);
    if (!pause) {
      pause = must_wait(*job);
      if (!pause && !job->why.empty()) note(*job, {});
    }
    if (pause) {
      job->is_full = is_full(*job);
      if (*pause > kRestMax) leave_slot(*job);
      co_await wait(*job, *pause);
      if (*pause == kFullPatience && is_full(*job))
        note(*job,
             "its messages in the queue wait for their first attempt: see `ekiden queue "
             "summary`");
      continue;
    }
    const Go go = co_await expand_some(*job);
    if (go == Go::On) continue;
    const bool is_over = co_await end(*job);
    if (is_over) break;
  }
  leave_slot(*job);
  jobs_.erase(job->id);
  queued_.set(static_cast<std::int64_t>(jobs_.size()));
}

/// Octets of the record from `offset`, at least `needed`. Nothing when they cannot be read.
base::Task<std::optional<std::string_view>> Expander::fill(Job& job, std::uint64_t offset,
                                                           std::size_t needed) {
  const std::uint64_t size = job.body.size;
  if (offset + needed > size) co_return std::nullopt;
  if (job.body.is_in_memory())
    co_return job.body.octets.view().substr(static_cast<std::size_t>(offset));
  if (offset < job.slice_at || offset + needed > job.slice_at + job.slice.size()) {
    job.slice.clear();
    job.slice_at = offset;
    const std::uint64_t end =
        std::min<std::uint64_t>(size, offset + std::max(needed, kSliceOctets));
    while (offset + job.slice.size() < end) {
      auto begin = [&](base::Completion<Result<base::Octets>> done) {
        const std::uint64_t at = offset + job.slice.size();
        parts_.services.port.read(
            job.body, at, static_cast<std::size_t>(std::min<std::uint64_t>(end - at, kSliceOctets)),
            std::move(done));
      };
      const Result<base::Octets> read =
          co_await base::suspend<Result<base::Octets>>(std::move(begin));
      if (!read || read->empty()) co_return std::nullopt;
      job.slice += read->view();
    }
  }
  co_return std::string_view(job.slice).substr(static_cast<std::size_t>(offset - job.slice_at));
}

/// Reads what the spool has of the job. False: later, or never ("gone").
base::Task<bool> Expander::open(Job& job) {
  auto load = [&](base::Completion<Result<spool::Loaded>> done) {
    parts_.services.port.load(job.id, std::move(done));
  };
  Result<spool::Loaded> loaded = co_await base::suspend<Result<spool::Loaded>>(std::move(load));
  if (!loaded) {
    const bool is_later = loaded.error() == spool::Errc::Io;
    base::log::error("job_unreadable", {{"job", base::format_message_id(job.id)},
                                        {"reason", loaded.error().message()}});
    job.is_gone = !is_later;
    if (loaded.error() == spool::Errc::Corrupt) quarantined_.add();
    if (is_later) note(job, "its record cannot be read now");
    if (loaded.error() == spool::Errc::Corrupt)
      note(job, "its record is damaged: see `ekiden spool quarantine list`");
    co_return false;
  }
  auto load_progress = [&](base::Completion<Result<std::vector<spool::Progress>>> done) {
    parts_.services.port.load_progress(job.id, std::move(done));
  };
  const Result<std::vector<spool::Progress>> progress =
      co_await base::suspend<Result<std::vector<spool::Progress>>>(std::move(load_progress));
  if (!progress) {
    note(job, "its record cannot be read now");
    co_return false;
  }
  job.mark = {};
  for (const spool::Progress& one : *progress)
    if (const auto mark = parse_mark(one.reply)) job.mark = *mark;
  job.body = std::move(loaded->body);
  job.slice.clear();
  job.slice_at = 0;
  Frame frame;
  std::size_t needed = kFrameHeaderOctets;
  FrameError error = FrameError::Partial;
  for (int i = 0; i < 2 && error == FrameError::Partial; ++i) {
    const std::optional<std::string_view> octets = co_await fill(job, 0, needed);
    if (!octets) break;
    error = read_frame(*octets, frame, needed);
  }
  Result<message::Meta> meta = message::decode_meta(loaded->meta);
  std::optional<Head> head;
  if (error == FrameError::None) head = decode_head(frame);
  if (!meta || !head) {
    note(job, "its record is damaged");
    co_return false;
  }
  if (job.mark.offset == 0) job.mark = {frame.size, 1};
  job.meta = std::move(*meta);
  job.head = std::move(*head);
  job.credential = {};
  job.credential.name = job.head.identity;
  job.credential.tenant = job.head.tenant;
  job.credential.stream = job.head.stream;
  job.credential.sender_domains = job.head.sender_domains;
  base::Function<ComposeRow()> work = [&make = parts_.make_composer, head = job.head] {
    return make(head);
  };
  job.compose = co_await base::run_on<ComposeRow>(parts_.composing, parts_.worker, std::move(work));
  if (!job.compose) {
    note(job, "its content cannot be read");
    co_return false;
  }
  job.is_open = true;
  co_return true;
}

inbound::Client Expander::client_of(const Job& job) const {
  inbound::Client client;
  if (const auto address = net::parse_address(job.head.client_address)) client.address = *address;
  client.accounts = parts_.services.accounts.current();
  client.credential = &job.credential;
  return client;
}

/// One frame, or what is left of it; a part of it where others must not wait. Over: there is none.
base::Task<Expander::Go> Expander::expand_some(Job& job) {
  if (job.mark.offset >= job.body.size) co_return Go::Over;
  Frame frame;
  std::size_t needed = kFrameHeaderOctets;
  FrameError error = FrameError::Partial;
  for (int i = 0; i < 2 && error == FrameError::Partial; ++i) {
    const std::optional<std::string_view> octets = co_await fill(job, job.mark.offset, needed);
    if (!octets) break;
    error = read_frame(*octets, frame, needed);
  }
  if (error != FrameError::None) {
    base::log::error("job_unreadable",
                     {{"job", base::format_message_id(job.id)}, {"offset", job.mark.offset}});
    note(job, "its record cannot be read at row " + std::to_string(job.mark.row));
    job.later = kLater;
    co_return Go::On;
  }
  const base::Steady begun = parts_.worker.clock.steady();
  const bool is_gentle = must_be_gentle();
  const std::size_t rows_max = is_gentle ? kRowsGently : kFrameRowsMax;
  // Another thread composes; what it reads lies in strings of its own.
  std::vector<std::string> rows;
  std::uint32_t row = frame.first_row;
  for (const std::string_view line : rows_of(frame))
    if (row++ >= job.mark.row && rows.size() < rows_max) rows.emplace_back(line);
  const std::uint32_t behind = row;
  base::Function<std::vector<ComposedRow>()> work = [compose = job.compose, rows = std::move(rows),
                                                     now = parts_.worker.clock.now()] {
    std::vector<ComposedRow> composed;
    composed.reserve(rows.size());
    for (const std::string& one : rows) composed.push_back(compose(one, now));
    return composed;
  };
  std::vector<ComposedRow> composed = co_await base::run_on<std::vector<ComposedRow>>(
      parts_.composing, parts_.worker, std::move(work));
  if (is_stopping_ || job.wish != Wish::Go) co_return Go::On;

  Chunk chunk;
  chunk.next = job.mark.row;
  const bool is_whole = co_await make(job, chunk, std::move(composed));
  if (chunk.next == job.mark.row && !is_whole) co_return Go::On;
  const Mark mark = chunk.next >= behind ? Mark{job.mark.offset + frame.size, behind}
                                         : Mark{job.mark.offset, chunk.next};
  spool::Progress progress;
  progress.due = parts_.worker.clock.now();
  progress.reply = format_mark(mark);
  chunk.transaction.updates.push_back({job.id, {std::move(progress)}});
  // Those that are delivered at once are heard of later than this.
  Untried& untried = untried_[job.id];
  for (std::size_t i = 0; i < chunk.made.size(); ++i) {
    if (chunk.made[i].arrival->mailed() == 0) continue;
    if (untried.add(chunk.rows[i], chunk.domains[i])) ++untried_of_all_;
  }
  const bool is_stored = co_await submit(std::move(chunk.transaction));
  if (!is_stored) {
    for (std::size_t i = 0; i < chunk.made.size(); ++i) {
      chunk.made[i].arrival->refuse();
      if (untried_[job.id].remove(chunk.rows[i])) --untried_of_all_;
    }
    note(job, "the disk cannot be written now");
    job.later = kLater;
    co_return Go::On;
  }
  job.mark = mark;
  rejected_.add(chunk.rejected);
  std::size_t done = 0;
  for (const inbound::Admitted& one : chunk.made) {
    added_.add(one.arrival->envelope().recipients.size());
    one.arrival->hand_over();
    if (++done % kRowsPerTurn == 0) co_await next_turn(parts_.worker);
  }
  waiting_rows_.set(static_cast<std::int64_t>(untried_of_all_));
  if (is_gentle) {
    const base::Steady now = parts_.worker.clock.steady();
    rests_until_ = now + std::min<base::Duration>(now - begun, kRestMax);
  }
  co_return Go::On;
}

/// Rows through admission, in order. False: it stopped before one that has to wait.
base::Task<bool> Expander::make(Job& job, Chunk& chunk, std::vector<ComposedRow> rows) {
  for (ComposedRow& composed : rows) {
    if (chunk.octets >= kTransactionOctetsMax) co_return false;
    const std::uint32_t row = chunk.next;
    if (!composed.refusal.empty()) {
      refuse_row(job, row, composed, nullptr, chunk.transaction);
      ++chunk.rejected;
      ++chunk.next;
      continue;
    }
    inbound::Submission submission;
    submission.mail = std::move(composed.mail);
    submission.recipients = std::move(composed.recipients);
    submission.octets = std::move(composed.octets);
    submission.client = client_of(job);
    submission.origin.client_address = job.head.client_address;
    submission.origin.identity = job.head.identity;
    submission.origin.protocol = "HTTP";
    submission.id = row_id(job.id, row);
    submission.counts_rate = false;
    chunk.octets += submission.octets.size();
    std::shared_ptr<const inbound::ListenerOptions> options = parts_.submission();
    inbound::Admitted admitted =
        co_await inbound::admit_message(parts_.services, std::move(options), std::move(submission));
    if (!admitted.reply.is_positive() && admitted.reply.is_transient()) {
      note(job, admitted.reply.text());
      job.later = kLater;
      co_return false;
    }
    ++chunk.next;
    if (!admitted.reply.is_positive()) {
      refuse_row(job, row, composed, &admitted.reply, chunk.transaction);
      ++chunk.rejected;
      continue;
    }
    spool::Transaction one = admitted.arrival->take_transaction();
    std::move(one.messages.begin(), one.messages.end(),
              std::back_inserter(chunk.transaction.messages));
    std::move(one.updates.begin(), one.updates.end(),
              std::back_inserter(chunk.transaction.updates));
    std::move(one.events.begin(), one.events.end(), std::back_inserter(chunk.transaction.events));
    chunk.made.push_back(std::move(admitted));
    chunk.rows.push_back(row);
    chunk.domains.emplace_back(domain_of(composed.address));
    if (chunk.made.size() % kRowsPerTurn == 0) co_await next_turn(parts_.worker);
  }
  co_return true;
}

void Expander::refuse_row(const Job& job, std::uint32_t row, const ComposedRow& composed,
                          const smtp::Reply* reply, spool::Transaction& transaction) {
  events::Event event = events::message_event(row_id(job.id, row), job.meta, 0);
  event.metadata.clear();  // of the record, not of the row
  event.time = parts_.worker.clock.now();
  event.kind = events::Kind::Rejected;
  event.recipient = composed.address;
  event.identity = job.head.identity;
  event.client_address = job.head.client_address;
  event.detail = composed.refusal.empty() ? "refused by admission" : composed.refusal;
  if (reply != nullptr) {
    event.reply_code = reply->code;
    event.enhanced_code = smtp::format_enhanced_code(reply->enhanced);
    event.reply = reply->text();
  }
  event.id = events::event_id(event.message, 0, event.kind, 0);
  transaction.events.push_back(events::encode_event(event));
}

base::Task<bool> Expander::submit(spool::Transaction transaction) {
  auto begin = [&](base::Completion<Result<void>> done) {
    parts_.services.port.submit(std::move(transaction), std::move(done));
  };
  const Result<void> stored = co_await base::suspend<Result<void>>(std::move(begin));
  co_return static_cast<bool>(stored);
}

/// The job's own last word: every row is a message, or it is cancelled. False: later.
base::Task<bool> Expander::end(Job& job) {
  const bool is_cancelled = job.wish == Wish::Cancel;
  // One that was paused before it was ever opened.
  if (job.meta.envelope.recipients.empty()) {
    auto begin = [&](base::Completion<Result<std::string>> done) {
      parts_.services.port.load_meta(job.id, std::move(done));
    };
    const Result<std::string> read = co_await base::suspend<Result<std::string>>(std::move(begin));
    if (!read && read.error() != spool::Errc::NotFound) co_return false;
    // It is over already: the spool has nothing to be told.
    if (!read) {
      if (is_cancelled) parts_.cancelled(job.id);
      co_return true;
    }
    if (Result<message::Meta> meta = message::decode_meta(*read)) job.meta = std::move(*meta);
  }
  // What cannot be read ends all the same.
  if (job.meta.envelope.recipients.empty()) job.meta.envelope.recipients.emplace_back();
  spool::Progress progress;
  progress.state = is_cancelled ? spool::State::Cancelled : spool::State::Expanded;
  progress.reply = format_mark(job.mark);
  events::Event event = events::message_event(job.id, job.meta, 0);
  event.metadata.clear();  // of the record, not of the row
  event.time = parts_.worker.clock.now();
  event.kind = is_cancelled ? events::Kind::Cancelled : events::Kind::Released;
  event.recipient.clear();
  event.recipient_index = events::kNoRecipient;
  event.detail = is_cancelled ? "the job is cancelled" : "every recipient has its message";
  event.id = events::event_id(job.id, event.recipient_index, event.kind, 0);
  spool::Transaction transaction;
  transaction.updates.push_back({job.id, {std::move(progress)}});
  transaction.events.push_back(events::encode_event(event));
  const bool is_stored = co_await submit(std::move(transaction));
  if (!is_stored) {
    note(job, "the disk cannot be written now");
    job.later = kLater;
    co_return false;
  }
  (is_cancelled ? cancelled_ : expanded_).add();
  if (is_cancelled) parts_.cancelled(job.id);
  co_return true;
}

}  // namespace ekiden::bulk
