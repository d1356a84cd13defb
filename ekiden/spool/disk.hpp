#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/base/result.hpp"

namespace ekiden::spool {

/// One open file. Every call blocks; only the committer and the blocking pool make them.
///
/// Errors: spool::Errc::NoSpace, Errc::Io (with the system's number in the log), Errc::NotFound.
class File {
 public:
  virtual ~File() = default;

  /// Writes all of `pieces` at `offset`, or fails; after a failure what is there is unknown.
  virtual Result<void> write_at(std::uint64_t offset, std::span<const std::string_view> pieces) = 0;
  /// Reads up to the size of `into`; less only at the end of the file.
  virtual Result<std::size_t> read_at(std::uint64_t offset, std::span<char> into) = 0;
  /// fdatasync. A failure is final: what was written since the last success may be gone, and a
  /// later success does not bring it back.
  virtual Result<void> sync() = 0;
  /// Reserves room so that later writes below `size` need no new blocks.
  virtual Result<void> allocate(std::uint64_t size) = 0;
  virtual Result<void> truncate(std::uint64_t size) = 0;
  virtual Result<std::uint64_t> size() = 0;
};

enum class Open { Existing, Create, CreateNew };

/// A directory tree of files: POSIX, or simulated with power cuts, torn writes and full disks.
/// Paths are relative to its root, with '/' between parts.
class Disk {
 public:
  virtual ~Disk() = default;

  virtual Result<std::unique_ptr<File>> open(const std::string& path, Open mode) = 0;
  virtual Result<void> rename(const std::string& from, const std::string& to) = 0;
  virtual Result<void> remove(const std::string& path) = 0;
  virtual Result<void> make_directory(const std::string& path) = 0;  ///< existing is fine
  virtual Result<std::vector<std::string>> list(const std::string& directory) = 0;  ///< sorted
  /// Makes creations, renames and removals in `directory` durable.
  virtual Result<void> sync_directory(const std::string& directory) = 0;
  /// Octets that new files could take.
  virtual Result<std::uint64_t> free_space() = 0;
};

}  // namespace ekiden::spool
