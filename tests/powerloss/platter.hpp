#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "ekiden/base/random.hpp"
#include "tests/powerloss/image_disk.hpp"
#include "tests/powerloss/recording.hpp"

namespace ekiden::powerloss {

/// Follows a recording and knows, at each point of it, what is safe and what only may be there.
///
/// The strictest reading of POSIX: a sync of a file makes its contents safe, not its name; a sync
/// of a folder makes names safe, not contents; everything else may be there or not, sector by
/// sector, in any order. After a sync that failed nobody writes what was dirty again.
class Platter {
 public:
  /// One sync in `ignored` did nothing (0: none), by lot: to see that a check can fail.
  Platter(std::uint64_t seed, std::uint64_t ignored) : random_(seed), ignored_(ignored) {}

  void follow(const Record& record);

  /// One of the disks that a power cut at this point may leave.
  ImageDisk cut(base::Random& random) const;

 private:
  struct Write {
    std::uint64_t at;  ///< number of the record
    std::uint64_t offset;
    std::string_view octets;
  };
  struct File {
    Contents safe;
    std::uint64_t size = 0;  ///< as the process sees it
    std::vector<Write> unsafe;
  };
  struct NameChange {
    std::uint64_t at;
    std::string path;
    std::shared_ptr<File> file;  ///< null: gone
    std::uint64_t group;         ///< both halves of a rename happen or neither
  };

  void opened(const Record& record);
  void synced(const Record& record, bool is_success);
  void synced_folder(const std::string& folder, std::uint64_t before);
  void change_name(const std::string& path, std::shared_ptr<File> file, std::uint64_t group);
  static void keep_some(const std::vector<Write>& writes, Contents& contents, std::uint64_t size,
                        base::Random& random);

  base::SeededRandom random_;
  std::uint64_t ignored_;
  std::uint64_t now_at_ = 0;
  std::map<std::string, std::shared_ptr<File>> names_, safe_names_;
  std::vector<NameChange> unsafe_names_;
  std::unordered_map<std::uint64_t, std::shared_ptr<File>> inodes_;
  std::unordered_map<std::uint64_t, std::uint64_t> syncs_;  ///< token: number of its begin
};

}  // namespace ekiden::powerloss
