#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ekiden/spool/committer.hpp"
#include "ekiden/spool/reader.hpp"
#include "ekiden/spool/state.hpp"

namespace ekiden::spool {

/// Gives room back: frees dead segments, copies nearly dead ones forward, writes sidecars, removes
/// files nobody names, spills events, and keeps the reserve of free segments full.
///
/// Sharing: the committer's executor; what reads or waits is posted to the pool.
class Reclaimer final : public Housekeeping {
 public:
  Reclaimer(JournalState& state, Reader& reader, Committer& committer, base::Executor& executor,
            base::Clock& clock, base::Executor& pool)
      : state_(state),
        reader_(reader),
        committer_(committer),
        executor_(executor),
        clock_(clock),
        pool_(pool) {}

  void segment_sealed(const SegmentHeader& header, std::optional<Catalog> catalog) override;
  void file_unused(std::string path) override;
  void large_message_done(SegmentLife life, std::uint32_t header) override;
  void step_copied(std::unique_ptr<CopyStep> step) override;
  void maintain() override;
  void prepare() override;

  /// Spilled events are safe elsewhere: their file goes.
  void remove_files(std::vector<std::string> paths);
  /// Starts nothing more; `idle` once no work is on the pool.
  void stop(base::Work idle);

 private:
  struct Drain;
  struct Candidate {
    std::uint32_t slot;
    base::Steady due;
  };

  void on_pool(base::Work work);
  void job_ended();
  void unpin(std::uint32_t slot);
  void age_sidecars();
  bool free_dead();
  bool release_segment(std::uint32_t slot);
  void keep_reserve();
  void start_drain();
  void gather(const std::shared_ptr<Drain>& drain);
  void gather_messages(Drain& drain, CopyStep& step);
  void gather_progress(Drain& drain, CopyStep& step);
  void gather_rest(Drain& drain, CopyStep& step);
  void end_drain(std::uint32_t slot, bool has_failed);
  void spill_events();

  JournalState& state_;
  Reader& reader_;
  Committer& committer_;
  base::Executor& executor_;
  base::Clock& clock_;
  base::Executor& pool_;

  std::vector<Candidate> candidates_;
  std::shared_ptr<Drain> drain_;
  base::Steady sidecars_due_{};
  bool is_spilling_ = false;
  bool is_stopped_ = false;
  std::size_t jobs_ = 0;  ///< on the pool, or on their way back
  base::Work on_idle_;
};

/// What a segment holds: from its sidecar, else by a scan up to its limit. Blocks.
Result<Catalog> read_catalog(JournalState& state, const SegmentHeader& header,
                             std::uint32_t valid_octets);

}  // namespace ekiden::spool
