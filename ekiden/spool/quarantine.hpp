#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ekiden/base/ids.hpp"
#include "ekiden/spool/disk.hpp"

namespace ekiden::spool {

/// A message, or a stretch of a segment, that could not be read whole. Kept until an operator
/// decides.
///
/// On disk: magic u32 "EKQ1", crc u32 of what follows, id two u64, recipients u32, text reason,
/// text meta, text body file, then the octets as they were read, wrong as they may be.
struct Quarantined {
  std::string name;  ///< of the file, and what the operator says
  base::MessageId id;
  std::uint32_t recipients = 0;
  std::string reason;
  std::string meta;
  std::string file;    ///< a large body's file, which stays while this does
  std::string octets;  ///< what was read of the body, or of the damaged stretch
};

/// Keeps it, synced, and raises the alert. The same damage met again replaces the same file.
Result<void> keep_quarantined(Disk& disk, const Quarantined& item);
/// Errors: NotFound, Corrupt (not a file of ours), Io.
Result<Quarantined> read_quarantined(Disk& disk, const std::string& name);
Result<std::vector<std::string>> list_quarantined(Disk& disk);
Result<void> delete_quarantined(Disk& disk, const std::string& name);

}  // namespace ekiden::spool
