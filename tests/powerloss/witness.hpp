#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "ekiden/base/ids.hpp"
#include "ekiden/spool/testing/rig.hpp"
#include "tests/powerloss/recording.hpp"

namespace ekiden::powerloss {

/// What clients and next hops saw up to some point of a recording, and whether a disk agrees.
///
/// The load (tests/scenarios/recorded_load.py) speaks to it in notes and in names: a message's
/// sender is TAG@…, its recipients are TAG.NofM@…, its last line is "end TAG".
class Witness {
 public:
  struct Counts {
    std::uint64_t cuts = 0;
    std::uint64_t found = 0;    ///< messages, over all cuts
    std::uint64_t read = 0;     ///< of them, read back whole
    std::uint64_t lost = 0;     ///< answered 250, not there, not delivered before
    std::uint64_t doubled = 0;  ///< shown more than once by one start
    std::uint64_t refused = 0;  ///< answered 4xx and there
    std::uint64_t again = 0;    ///< delivered long ago and still queued
    std::uint64_t damaged = 0;  ///< set aside, or not as it was sent
    std::uint64_t unopened = 0;
    std::uint64_t verified = 0;  ///< cuts after which `spool verify` read everything
    std::uint64_t disagreed = 0;
  };

  void follow(const Record& record);

  /// Opens a spool on `disk` as a start after the cut would, and compares.
  void check(spool::Disk& disk, std::uint64_t seed);

  const Counts& counts() const { return counts_; }
  /// One sentence each; the first hundred.
  const std::vector<std::string>& findings() const { return findings_; }
  std::uint64_t acked() const { return acked_count_; }
  std::uint64_t refusals() const { return refused_.size(); }

 private:
  struct Delivery {
    std::uint64_t at_sync;
    bool is_certain = true;  ///< no crash since then could have kept the outcome from the disk
  };
  struct Deliveries {
    std::uint64_t recipients = 0;
    std::unordered_map<std::string, Delivery> by_recipient;
  };

  void noted(std::string_view words);
  bool is_long_ago(const Delivery& delivery) const;
  void forget_finished();
  void find(std::uint64_t& count, std::string sentence);
  void verify(spool::Disk& disk, std::size_t messages);
  void check_found(spool::testing::Rig& rig, spool::Disk& disk, std::uint64_t seed);

  std::uint64_t syncs_ = 0;  ///< of segments, so far
  std::uint64_t acked_count_ = 0;
  std::vector<base::MessageId> acked_;  ///< oldest first; without those delivered long ago
  std::unordered_map<base::MessageId, Deliveries> delivered_;
  std::unordered_set<std::string> refused_;
  Counts counts_;
  std::vector<std::string> findings_;
};

}  // namespace ekiden::powerloss
