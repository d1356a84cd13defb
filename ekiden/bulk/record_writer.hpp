#pragma once

#include <memory>
#include <string>

#include "ekiden/bulk/record.hpp"
#include "ekiden/inbound/services.hpp"

namespace ekiden::bulk {

/// Puts one job into the spool: its record grows in memory, and in a file of its own past
/// `large_octets`, as any message's body. Dropped before `finish`, it leaves nothing.
///
/// Sharing: the worker of its services.
class RecordWriter {
 public:
  RecordWriter(inbound::Services& services, std::size_t large_octets)
      : services_(services), large_octets_(large_octets) {}

  /// Errors: spool's.
  base::Task<Result<void>> add(std::string octets);
  /// The job is durable under `id` when it returns without an error; `from` and `subject` are shown
  /// where messages are.
  base::Task<Result<void>> finish(base::MessageId id, Head head, std::string from,
                                  std::string subject);

 private:
  inbound::Services& services_;
  const std::size_t large_octets_;
  std::string octets_;
  std::uint64_t size_ = 0;
  std::unique_ptr<spool::LargeWriter> file_;
};

/// What stands where a message has its recipient: of the record, which goes nowhere itself.
inline constexpr std::string_view kJobAddress = "bulk-job";

}  // namespace ekiden::bulk
