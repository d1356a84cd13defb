#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "ekiden/base/ids.hpp"
#include "ekiden/spool/disk.hpp"
#include "ekiden/spool/format.hpp"
#include "ekiden/spool/index.hpp"

namespace ekiden::spool {

/// What one segment holds, without the bodies: collected while it fills, kept in a sidecar when it
/// is sealed, rebuilt by a scan when the sidecar is missing.
///
/// Layout of a sidecar: the sections one after the other, then the footer:
/// magic u32 "EKX1", crc u32 of what follows, slot u32, epoch u64, sequence u64, batch number u64,
/// cursor u64, highest progress sequence u64, highest event sequence u64, octets valid in the
/// segment u32, then for each section length u64 and crc u32.
class Catalog {
 public:
  enum Section : std::size_t { Dones, Limits, Progresses, Events, Heads, Metas, kSections };

  struct Head {
    base::MessageId id;
    std::uint32_t header = 0;  ///< offset / 64
    std::uint32_t recipients = 0;
    std::uint32_t octets = 0;  ///< what the record takes in the segment
    std::uint8_t flags = 0;
    std::uint64_t body_size = 0;
    bool has_file = false;
  };
  struct Event {
    std::uint64_t sequence = 0;
    std::uint32_t header = 0;
    std::uint32_t octets = 0;
  };

  /// One record of the segment. `header` is its offset / 64.
  void add(const RecordHeader& record, std::uint32_t header, std::string_view small);
  void note_batch(const BatchHeader& batch);

  void each_done(const std::function<void(base::MessageId, const DonePart&)>& see) const;
  void each_limit(const std::function<void(const LimitPart&)>& see) const;
  void each_progress(const std::function<void(base::MessageId, std::uint32_t header,
                                              const ProgressPart&)>& see) const;
  void each_event(const std::function<void(const Event&)>& see) const;
  void each_head(const std::function<void(const Head&)>& see) const;
  /// Needs the Metas section.
  void each_message(const std::function<void(const Head&, const MessagePart&)>& see) const;

  std::string encode_footer() const;
  const std::string& section(Section which) const { return sections_[which]; }
  std::size_t octets() const;
  void clear();

  SegmentLife life;
  std::uint64_t sequence = 0;
  std::uint64_t batch_number = 0;
  std::uint64_t events_cursor = 0;
  std::uint64_t progress_sequence_max = 0;
  std::uint64_t event_sequence_max = 0;
  std::uint32_t valid_octets = 0;

  /// Reads the wanted sections. Errors: NotFound, Corrupt (torn, or of another life), Io.
  static Result<Catalog> read_sidecar(Disk& disk, SegmentLife life,
                                      std::initializer_list<Section> wanted);
  /// Writes and syncs the sidecar and its directory.
  Result<void> write_sidecar(Disk& disk) const;

 private:
  std::array<std::string, kSections> sections_;
};

std::string sidecar_path(SegmentLife life);

/// What a record takes in its segment, for the accounts.
inline std::uint32_t record_octets(const RecordHeader& record) {
  return kHeaderOctets + record.small_length + record.body_length;
}

}  // namespace ekiden::spool
