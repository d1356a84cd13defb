#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/fault_disk.hpp"

namespace ekiden::powerloss {

/// One thing that happened. Path and data lie in the recording.
struct Record {
  faultdisk::Kind kind;
  std::uint64_t inode = 0, number = 0;
  std::string_view path, data;
  bool is_in_spool = true;  ///< paths are relative to it then
};

/// What libfaultdisk.so wrote, in memory for as long as this lives.
class Recording {
 public:
  Recording() = default;
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;
  ~Recording();

  /// False, with a sentence, when the file cannot be read or is none.
  bool open(const std::string& file, std::string& problem);
  const std::vector<Record>& records() const { return records_; }

 private:
  const char* at_ = nullptr;
  std::size_t size_ = 0;
  std::vector<Record> records_;
};

}  // namespace ekiden::powerloss
