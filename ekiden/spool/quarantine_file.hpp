#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "ekiden/base/ids.hpp"
#include "ekiden/spool/disk.hpp"

namespace ekiden::spool {

/// A message, or a stretch of a segment, that could not be read whole. Kept until an operator
/// decides.
///
/// On disk: magic u32 "EKQ2", crc u32 of the head, length u32 of the head; the head: id two u64,
/// recipients u32, settled u32 and as many u32, text reason, text meta, text body file, size u64
/// and crc u32 of the octets; then the octets as they were read, wrong as they may be.
struct Quarantined {
  std::string name;  ///< of the file, and what the operator says
  base::MessageId id;
  std::uint32_t recipients = 0;        ///< of the envelope; zero when not known
  std::vector<std::uint32_t> settled;  ///< of them, those that had their end before
  std::string reason;
  std::string meta;        ///< empty: damaged too, and then it cannot be queued again
  std::string file;        ///< a large body's file, which stays while this does
  std::uint64_t size = 0;  ///< of the octets
  std::string octets;      ///< of the body, behind what was read of a damaged meta; or the stretch

  bool is_message() const { return !meta.empty(); }
  /// Recipients that the queue lost with it.
  std::uint32_t open() const { return recipients - static_cast<std::uint32_t>(settled.size()); }
};

/// Keeps it, synced, and raises the alert. The same damage met again replaces the same file.
Result<void> keep_quarantined(Disk& disk, const Quarantined& item);
/// Everything but the octets. Errors: NotFound, Corrupt (not a file of ours: a whole segment, or
/// damaged in its turn), Io.
Result<Quarantined> peek_quarantined(Disk& disk, const std::string& name);
/// With the octets. Errors: as above, and Corrupt when the octets are not those that were kept.
Result<Quarantined> read_quarantined(Disk& disk, const std::string& name);
/// A slice of what was kept, whatever its sums say: of a large body, of the octets, or of a file
/// that is not ours. Less than `length` at the end, nothing behind it. Errors: NotFound, Io.
Result<std::string> read_quarantined_octets(Disk& disk, const std::string& name,
                                            std::uint64_t offset, std::size_t length);

/// By name, without those whose release is under way.
Result<std::vector<std::string>> list_quarantined(Disk& disk);
/// With its large body's file. Errors: NotFound, Io.
Result<void> delete_quarantined(Disk& disk, const std::string& name);

/// A release takes the file out of the list by giving it the name of the message that it becomes:
/// a crash finds there which message to look for. Errors: NotFound, Io.
Result<void> begin_release(Disk& disk, const std::string& name, base::MessageId as);
/// The message is durable: the file goes, a large body's stays.
Result<void> finish_release(Disk& disk, const std::string& name, base::MessageId as);
/// It is not: the file is what it was.
Result<void> undo_release(Disk& disk, const std::string& name, base::MessageId as);
/// Ends each release that a crash broke off: `is_live` knows whether its message is queued.
void settle_releases(Disk& disk, const std::function<bool(base::MessageId)>& is_live);

}  // namespace ekiden::spool
