#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "ekiden/spool/disk.hpp"

namespace ekiden::spool {

/// What a walk over a whole spool counted and found wrong.
struct Verification {
  std::uint64_t segments = 0, free_segments = 0, batches = 0, records = 0;
  std::uint64_t messages = 0;    ///< live
  std::uint64_t recipients = 0;  ///< queued
  std::uint64_t octets = 0;      ///< of live bodies
  std::uint64_t dones = 0, progress = 0, event_records = 0;
  std::uint64_t sidecars = 0, scanned = 0;  ///< sealed segments with a good sidecar, and without
  std::uint64_t large_files = 0, orphans = 0;
  std::uint64_t quarantined = 0;
  std::uint64_t torn_records = 0;  ///< never acknowledged; a crash leaves them, no finding
  /// One sentence each: what is damaged, missing or does not agree.
  std::vector<std::string> findings;
};

/// Past this many the rest is only counted in a last sentence.
inline constexpr std::size_t kFindingsMax = 1000;

/// Reads everything, changes nothing: every checksum of every record and body, every sidecar
/// against its segment, every large body. For `ekiden spool verify`, under the directory's lock.
/// Blocks. Errors: Io.
///
/// `progress` hears now and then how many of the octets in journal and large/ have been read.
using VerifyProgress = std::function<void(std::uint64_t read, std::uint64_t all)>;
Result<Verification> verify_spool(Disk& disk, const VerifyProgress& progress = nullptr);

}  // namespace ekiden::spool
