#include "ekiden/spool/journal.hpp"

#include <utility>

#include "ekiden/base/assert.hpp"
#include "ekiden/base/log.hpp"
#include "ekiden/spool/committer.hpp"
#include "ekiden/spool/large_file.hpp"
#include "ekiden/spool/port.hpp"
#include "ekiden/spool/quarantine.hpp"
#include "ekiden/spool/reader.hpp"
#include "ekiden/spool/reclaim.hpp"
#include "ekiden/spool/recovery.hpp"
#include "ekiden/spool/state.hpp"

namespace ekiden::spool {

class Journal::Core {
 public:
  Core(Options options, Disk& disk, base::Executor& committer_executor, base::Clock& clock,
       base::Executor& on_pool, base::Random& random)
      : state(options, disk, random),
        reader(state),
        committer(state, committer_executor, clock),
        reclaimer(state, reader, committer, committer_executor, clock, on_pool),
        large(disk, on_pool, random.next()),
        quarantine(state, committer, on_pool),
        executor(committer_executor),
        pool(on_pool) {
    committer.set_housekeeping(reclaimer);
  }

  JournalState state;
  Reader reader;
  Committer committer;
  Reclaimer reclaimer;
  LargeFiles large;
  Quarantine quarantine;
  base::Executor& executor;
  base::Executor& pool;
};

Journal::Journal(Options options, Disk& disk, base::Executor& committer, base::Clock& clock,
                 base::Executor& pool, base::Random& random) {
  EKIDEN_ASSERT(options.segment_octets % kPage == 0 && options.segment_octets >= 4 * kPage &&
                    options.segment_octets <= kSegmentOctets,
                "places in a segment have 20 bits of 64 octets");
  core_ = std::make_unique<Core>(options, disk, committer, clock, pool, random);
}

Journal::~Journal() = default;

Result<void> Journal::recover(const std::function<void(const Recovered&)>& visit) {
  JournalState& state = core_->state;
  std::vector<base::MessageId> finished;
  const Result<void> recovered = recover_state(state, visit, finished);
  if (!recovered) return recovered;
  if (!finished.empty()) {
    auto submission = std::make_unique<Submission>();
    submission->finished = std::move(finished);
    submission->measure();
    core_->committer.submit(std::move(submission));
  }
  state.is_open = true;
  core_->committer.start();
  return {};
}

std::unique_ptr<Port> Journal::attach(base::Executor& home) {
  return make_port({core_->state, core_->committer, core_->reader, core_->large, core_->pool},
                   home);
}

Status Journal::status() const {
  const JournalState& state = core_->state;
  Status status;
  status.accepts_messages = state.accepts_messages;
  status.accepts_updates = state.accepts_updates;
  status.messages = state.messages;
  status.recipients = state.recipients;
  status.quarantined = state.quarantined;
  status.segments = state.segment_count;
  status.disk_octets = state.disk_octets;
  status.events_waiting = state.events_waiting;
  status.batches = state.batches;
  status.syncs = state.syncs;
  status.octets_written = state.octets_written;
  status.transactions = state.transactions;
  return status;
}

void Journal::on_events(base::Function<void()> wake) {
  auto shared = std::make_shared<base::Function<void()>>(std::move(wake));
  core_->executor.post([core = core_.get(), shared] {
    core->state.wake_events = std::move(*shared);
    bool has_events = false;
    {
      const std::scoped_lock lock(core->state.mutex);
      has_events = !core->state.events.is_empty();
    }
    if (has_events && core->state.wake_events) core->state.wake_events();
  });
}

Result<EventBatch> Journal::next_events(std::size_t count_max) {
  return core_->reader.next_events(count_max);
}

void Journal::events_stored(std::uint64_t cursor) {
  JournalState& state = core_->state;
  std::vector<std::string> files;
  bool has_dead = false;
  {
    const std::scoped_lock lock(state.mutex);
    for (const EventRef& ref : state.events.stored(cursor)) state.release(ref);
    std::deque<SpilledEvents>& spilled = state.events.spilled();
    while (!spilled.empty() && spilled.front().last <= cursor) {
      files.push_back(spilled.front().path());
      spilled.pop_front();
    }
    has_dead = !state.maybe_dead.empty();
    state.events_waiting = state.events.size();
  }
  if (!files.empty()) {
    core_->executor.post([core = core_.get(), files = std::move(files)]() mutable {
      core->reclaimer.remove_files(std::move(files));
    });
  }
  if (has_dead) core_->committer.ask_maintenance();
}

void Journal::close(base::Work done) {
  core_->state.is_open = false;
  core_->committer.close([core = core_.get(), done = std::move(done)]() mutable {
    core->reclaimer.stop([core, done = std::move(done)]() mutable {
      core->state.segments.files.clear();
      done();
    });
  });
}

Quarantine& Journal::quarantine() {
  return core_->quarantine;
}

std::size_t Journal::index_octets() const {
  const std::scoped_lock lock(core_->state.mutex);
  return core_->state.index.memory_octets();
}

}  // namespace ekiden::spool
