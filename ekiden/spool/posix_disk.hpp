#pragma once

#include "ekiden/spool/disk.hpp"

namespace ekiden::spool {

/// Files below one directory of the machine, held under an flock while it lives.
///
/// Sharing: any thread; one File is written by one caller at a time, read by any number.
class PosixDisk final : public Disk {
 public:
  /// Makes `root` when it is missing and locks it. Errors: Errc::Locked, Errc::Io.
  static Result<std::unique_ptr<PosixDisk>> open_root(const std::string& root);
  ~PosixDisk() override;

  Result<std::unique_ptr<File>> open(const std::string& path, Open mode) override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<void> remove(const std::string& path) override;
  Result<void> make_directory(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& directory) override;
  Result<void> sync_directory(const std::string& directory) override;
  Result<std::uint64_t> free_space() override;

 private:
  PosixDisk(int root, int lock) : root_(root), lock_(lock) {}
  int root_;
  int lock_;
};

}  // namespace ekiden::spool
