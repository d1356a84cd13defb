#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "ekiden/base/executor.hpp"
#include "ekiden/spool/disk.hpp"
#include "ekiden/spool/spool.hpp"

namespace ekiden::spool {

/// Makes the files of large bodies: "large/<number>-<size>-<crc>.body", ".part" until finished.
///
/// Sharing: any thread.
class LargeFiles {
 public:
  /// `first_number` is random, so that names never repeat from one start to the next.
  LargeFiles(Disk& disk, base::Executor& pool, std::uint64_t first_number)
      : disk_(disk), pool_(pool), next_(first_number) {}

  std::unique_ptr<LargeWriter> create(base::Executor& home);

 private:
  Disk& disk_;
  base::Executor& pool_;
  std::atomic<std::uint64_t> next_;
};

/// "large/" and a name in it: what a record or a quarantined message may name, and nothing else of
/// the spool.
bool is_large_path(std::string_view path);

/// Reads a slice. Blocks. Errors: NotFound, Io; Corrupt when the file is shorter than its name
/// says.
Result<base::Octets> read_large(Disk& disk, const Body& body, std::uint64_t offset,
                                std::size_t length);
/// Reads it all and compares with the sum in its name.
Result<void> check_large(Disk& disk, const std::string& path);
/// Removes every file that `is_live` does not claim; start only.
void remove_orphans(Disk& disk, const std::function<bool(const std::string& path)>& is_live);

}  // namespace ekiden::spool
