#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ekiden/spool/catalog.hpp"
#include "ekiden/spool/disk.hpp"

namespace ekiden::spool {

enum class CheckBodies { LastBatchOnly, All };

/// Whether the last batch may be one that a crash tore, or is known to have been acknowledged:
/// a sidecar or a limit says so.
enum class LastBatch { MayBeTorn, Acknowledged };

/// A place in a segment that was acknowledged once and cannot be read now.
struct Damage {
  base::MessageId id;        ///< zero when even that is lost
  std::uint32_t offset = 0;  ///< in the segment
  std::uint32_t length = 0;
  bool is_body = false;  ///< header and small part are whole
  std::string reason;
};

struct Scanned {
  Catalog catalog;
  std::vector<Damage> damaged;
  std::uint64_t batches = 0, records = 0;
  std::uint64_t torn_records = 0;  ///< of the last batch, never acknowledged
};

/// Reads a segment batch by batch; resynchronises only at batch headers. `valid_octets_max` is the
/// length a later `limit` record gave a failed segment, or the segment's size.
///
/// Errors: Io.
Result<Scanned> scan_segment(File& file, const SegmentHeader& header,
                             std::uint32_t valid_octets_max, CheckBodies bodies, LastBatch last);

}  // namespace ekiden::spool
