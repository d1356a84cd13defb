#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ekiden/base/clock.hpp"
#include "ekiden/base/executor.hpp"
#include "ekiden/base/random.hpp"
#include "ekiden/spool/disk.hpp"
#include "ekiden/spool/spool.hpp"

namespace ekiden::spool {

class Quarantine;

struct JournalOptions {
  /// Size of a segment; other than 64 MiB in tests only. A multiple of 4 KiB.
  std::uint32_t segment_octets = 64u << 20;
  /// Bodies over it belong into files of their own.
  std::uint64_t large_octets = 1u << 20;
  /// How long work that nobody waits for may wait for company.
  base::Duration commit_interval = std::chrono::milliseconds(10);
  /// Free segments kept for updates, events and copies; new mail is refused first.
  std::uint64_t disk_reserve = 256u << 20;
  /// Events not stored elsewhere past which the oldest go to plain files.
  std::uint64_t events_backlog_max = 1u << 30;
  /// Events kept in memory beside the disk, so that their consumer need not read them back.
  std::uint64_t events_memory_max = 8u << 20;
  /// Updates waiting in memory while the disk fails; past it they are refused.
  std::uint64_t updates_waiting_max = 32u << 20;
  /// A sealed segment whose living part stays under a quarter for so long is copied forward.
  base::Duration drain_after = std::chrono::seconds(5);
  /// What is read and copied forward at once.
  std::uint64_t copy_step_octets = 1u << 20;
};

/// The embedded spool: a purpose-made segmented journal (docs/SPOOL.md).
///
/// It has no thread. It posts its committer's work to `committer`, one piece at a time, and what
/// reads or waits otherwise to `pool`; `clock` fires on `committer`. All must be idle, or have
/// dropped their work, before it is destroyed.
class Journal final : public Spool {
 public:
  using Options = JournalOptions;

  Journal(Options options, Disk& disk, base::Executor& committer, base::Clock& clock,
          base::Executor& pool, base::Random& random);
  ~Journal() override;

  Result<void> recover(const std::function<void(const Recovered&)>& visit) override;
  std::unique_ptr<Port> attach(base::Executor& home) override;
  Status status() const override;
  void on_events(base::Function<void()> wake) override;
  /// Blocks when the events are not in memory.
  Result<EventBatch> next_events(std::size_t count_max) override;
  void events_stored(std::uint64_t cursor) override;
  void close(base::Work done) override;

  /// What could not be read, for operators to decide about.
  Quarantine& quarantine();

  /// For tests and metrics: octets of the index in memory.
  std::size_t index_octets() const;

  class Core;

 private:
  std::unique_ptr<Core> core_;
};

}  // namespace ekiden::spool
