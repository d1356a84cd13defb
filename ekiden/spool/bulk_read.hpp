#pragma once

#include <map>
#include <memory>
#include <vector>

#include "ekiden/spool/committer.hpp"
#include "ekiden/spool/reader.hpp"

namespace ekiden::spool {

/// What a bulk read needs of the journal.
struct BulkServices {
  JournalState& state;
  Reader& reader;
  Committer& committer;
  base::Executor& pool;
};

/// Reads the metas of many messages: those of a sealed segment from its sidecar at once, others
/// one after the other as they lie on the disk. The pool is given back after each sidecar, or
/// kReadsPerTurnMax reads: what delivery wants to read comes in between.
///
/// Sharing: it keeps itself; one piece of work on the pool at a time.
class BulkRead final : public std::enable_shared_from_this<BulkRead> {
 public:
  /// `see` and `done` are called on the pool.
  using Done = base::Completion<Result<void>>;

  BulkRead(BulkServices services, std::vector<base::MessageId> ids, SeeMeta see, Done done)
      : services_(services), ids_(std::move(ids)), see_(std::move(see)), done_(std::move(done)) {}

  /// On the pool.
  void run();

 private:
  static constexpr std::size_t kReadsPerTurnMax = 256;
  /// Fewer wanted of one segment than this are read one by one.
  static constexpr std::size_t kSidecarWorthwhile = 32;

  struct Wanted {
    std::uint32_t header = 0;  ///< of its record, offset / 64
    std::uint32_t at = 0;      ///< in `ids_`
  };
  struct Stretch {
    SegmentLife life;
    bool has_sidecar = false;
    std::vector<Wanted> wanted;  ///< by `header`
  };

  void find_places();
  /// False: there is none that can be read.
  bool read_sidecar(Stretch& stretch);
  Result<void> read_some(Stretch& stretch);
  Result<void> read_again(std::size_t at);

  BulkServices services_;
  std::vector<base::MessageId> ids_;
  SeeMeta see_;
  Done done_;
  bool has_places_ = false;
  std::map<std::uint32_t, Stretch> stretches_;  ///< by slot
};

/// Reads the progress of many messages, kReadsPerTurnMax in a turn of the pool.
class BulkProgressRead final : public std::enable_shared_from_this<BulkProgressRead> {
 public:
  BulkProgressRead(BulkServices services, std::vector<base::MessageId> ids, SeeProgress see,
                   BulkRead::Done done)
      : services_(services), ids_(std::move(ids)), see_(std::move(see)), done_(std::move(done)) {}

  /// On the pool.
  void run();

 private:
  static constexpr std::size_t kReadsPerTurnMax = 256;

  BulkServices services_;
  std::vector<base::MessageId> ids_;
  SeeProgress see_;
  BulkRead::Done done_;
  std::size_t next_ = 0;
};

}  // namespace ekiden::spool
