#include "tests/powerloss/recording.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

namespace ekiden::powerloss {
namespace {

/// The recording is of a whole data folder.
constexpr std::string_view kSpool = "spool";

bool enter_spool(std::string_view& path) {
  if (path == kSpool) {
    path = {};
    return true;
  }
  if (!path.starts_with(kSpool) || path[kSpool.size()] != '/') return false;
  path.remove_prefix(kSpool.size() + 1);
  return true;
}

}  // namespace

Recording::~Recording() {
  if (at_ != nullptr) ::munmap(const_cast<char*>(at_), size_);
}

bool Recording::open(const std::string& file, std::string& problem) {
  const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat status;
  if (descriptor < 0 || ::fstat(descriptor, &status) != 0 || status.st_size == 0) {
    if (descriptor >= 0) ::close(descriptor);
    problem = file + " cannot be read or is empty";
    return false;
  }
  size_ = static_cast<std::size_t>(status.st_size);
  void* const mapped = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, descriptor, 0);
  ::close(descriptor);
  if (mapped == MAP_FAILED) {
    problem = file + " cannot be mapped";
    return false;
  }
  at_ = static_cast<const char*>(mapped);
  std::size_t at = 0;
  while (size_ - at >= sizeof(faultdisk::Header)) {
    faultdisk::Header header;
    std::memcpy(&header, at_ + at, sizeof header);
    if (header.magic != faultdisk::Header{}.magic) {
      problem = file + " is damaged at octet " + std::to_string(at);
      return false;
    }
    at += sizeof header;
    if (size_ - at < header.path_octets + header.data_octets) {
      problem = file + " ends within a record";
      return false;
    }
    Record& record = records_.emplace_back();
    record.kind = static_cast<faultdisk::Kind>(header.kind);
    record.inode = header.inode;
    record.number = header.number;
    record.path = {at_ + at, header.path_octets};
    at += header.path_octets;
    record.data = {at_ + at, header.data_octets};
    at += header.data_octets;
    if (!record.path.empty()) record.is_in_spool = enter_spool(record.path);
    if (record.kind == faultdisk::Kind::Rename && record.is_in_spool)
      (void)enter_spool(record.data);
  }
  return true;
}

}  // namespace ekiden::powerloss
