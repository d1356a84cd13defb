#pragma once

#include <string>
#include <vector>

#include "ekiden/spool/state.hpp"

namespace ekiden::spool {

struct RecordData {
  RecordHeader header;
  std::string small;
  std::string body;
};

enum class WithBody { No, Yes };

/// Reads one record and checks its sums. Errors: Corrupt, Io. After Corrupt `into` holds what
/// could be read.
Result<void> read_record(File& file, std::uint64_t epoch, std::uint32_t header, WithBody body,
                         RecordData& into);

/// Reading back what is live, from any thread of the pool. What cannot be read is written to
/// quarantine/ and named in `quarantine`, for the committer to take out of the queue.
class Reader {
 public:
  explicit Reader(JournalState& state) : state_(state) {}

  Result<Loaded> load(base::MessageId id, WithBody body, bool& quarantine);
  Result<std::vector<Progress>> load_progress(base::MessageId id);
  Result<EventBatch> next_events(std::size_t count_max);
  /// The events of one journal record.
  Result<SharedEvents> read_events(Place place, std::uint64_t sequence);

  /// Writes what can be read of a damaged message to quarantine/.
  Result<void> keep_damaged(base::MessageId id, std::uint32_t recipients, const RecordData& data,
                            const char* reason);

 private:
  JournalState& state_;
};

}  // namespace ekiden::spool
