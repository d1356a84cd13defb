#include "ekiden/spool/posix_disk.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "ekiden/base/log.hpp"
#include "ekiden/spool/error.hpp"

namespace ekiden::spool {
namespace {

/// Pieces handed to one pwritev(2); Linux takes 1024.
constexpr std::size_t kPiecesMax = 256;

Error failure(const char* what, const std::string& path, int number) {
  if (number == ENOENT) return Errc::NotFound;
  base::log::error("spool_disk_error",
                   {{"call", what}, {"path", path}, {"error", std::strerror(number)}});
  return number == ENOSPC || number == EDQUOT ? Errc::NoSpace : Errc::Io;
}

class PosixFile final : public File {
 public:
  PosixFile(int descriptor, std::string path) : descriptor_(descriptor), path_(std::move(path)) {}
  ~PosixFile() override { ::close(descriptor_); }

  Result<void> write_at(std::uint64_t offset, std::span<const std::string_view> pieces) override {
    std::array<iovec, kPiecesMax> vectors;
    std::size_t at = 0;       // the piece to continue with
    std::size_t skipped = 0;  // of that piece, already written
    while (at < pieces.size()) {
      std::size_t count = 0;
      for (std::size_t i = at; i < pieces.size() && count < kPiecesMax; ++i) {
        const std::string_view piece = pieces[i].substr(i == at ? skipped : 0);
        if (piece.empty()) continue;
        vectors[count++] = {const_cast<char*>(piece.data()), piece.size()};
      }
      if (count == 0) break;
      const ssize_t wrote = ::pwritev(descriptor_, vectors.data(), static_cast<int>(count),
                                      static_cast<off_t>(offset));
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote < 0) return failure("pwritev", path_, errno);
      if (wrote == 0) return failure("pwritev", path_, EIO);
      offset += static_cast<std::uint64_t>(wrote);
      auto left = static_cast<std::size_t>(wrote);
      while (at < pieces.size() && left >= pieces[at].size() - skipped) {
        left -= pieces[at].size() - skipped;
        skipped = 0;
        ++at;
      }
      skipped += left;
    }
    return {};
  }

  Result<std::size_t> read_at(std::uint64_t offset, std::span<char> into) override {
    std::size_t done = 0;
    while (done < into.size()) {
      const ssize_t got = ::pread(descriptor_, into.data() + done, into.size() - done,
                                  static_cast<off_t>(offset + done));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return failure("pread", path_, errno);
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    return done;
  }

  Result<void> sync() override {
    if (::fdatasync(descriptor_) != 0) return failure("fdatasync", path_, errno);
    return {};
  }

  Result<void> allocate(std::uint64_t size) override {
    if (::fallocate(descriptor_, 0, 0, static_cast<off_t>(size)) == 0) return {};
    // File systems without fallocate(2) get the slow way, which also reserves.
    const int number =
        errno == EOPNOTSUPP ? ::posix_fallocate(descriptor_, 0, static_cast<off_t>(size)) : errno;
    if (number != 0) return failure("fallocate", path_, number);
    return {};
  }

  Result<void> truncate(std::uint64_t size) override {
    if (::ftruncate(descriptor_, static_cast<off_t>(size)) != 0)
      return failure("ftruncate", path_, errno);
    return {};
  }

  Result<std::uint64_t> size() override {
    struct stat status;
    if (::fstat(descriptor_, &status) != 0) return failure("fstat", path_, errno);
    return static_cast<std::uint64_t>(status.st_size);
  }

 private:
  int descriptor_;
  std::string path_;
};

}  // namespace

Result<std::unique_ptr<PosixDisk>> PosixDisk::open_root(const std::string& root) {
  if (::mkdir(root.c_str(), 0700) != 0 && errno != EEXIST) return failure("mkdir", root, errno);
  const int directory = ::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return failure("open", root, errno);
  const int lock = ::openat(directory, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock < 0) {
    const int number = errno;
    ::close(directory);
    return failure("open", root + "/lock", number);
  }
  if (::flock(lock, LOCK_EX | LOCK_NB) != 0) {
    const int number = errno;
    ::close(lock);
    ::close(directory);
    if (number == EWOULDBLOCK) return Errc::Locked;
    return failure("flock", root + "/lock", number);
  }
  return std::unique_ptr<PosixDisk>(new PosixDisk(directory, lock));
}

PosixDisk::~PosixDisk() {
  ::close(lock_);
  ::close(root_);
}

Result<std::unique_ptr<File>> PosixDisk::open(const std::string& path, Open mode) {
  int flags = O_RDWR | O_CLOEXEC;
  if (mode == Open::Create) flags |= O_CREAT;
  if (mode == Open::CreateNew) flags |= O_CREAT | O_EXCL;
  const int descriptor = ::openat(root_, path.c_str(), flags, 0600);
  if (descriptor < 0) return failure("open", path, errno);
  return std::unique_ptr<File>(std::make_unique<PosixFile>(descriptor, path));
}

Result<void> PosixDisk::rename(const std::string& from, const std::string& to) {
  if (::renameat(root_, from.c_str(), root_, to.c_str()) != 0)
    return failure("rename", from, errno);
  return {};
}

Result<void> PosixDisk::remove(const std::string& path) {
  if (::unlinkat(root_, path.c_str(), 0) != 0) return failure("unlink", path, errno);
  return {};
}

Result<void> PosixDisk::make_directory(const std::string& path) {
  if (::mkdirat(root_, path.c_str(), 0700) != 0 && errno != EEXIST)
    return failure("mkdir", path, errno);
  return {};
}

Result<std::vector<std::string>> PosixDisk::list(const std::string& directory) {
  const int descriptor = ::openat(root_, directory.empty() ? "." : directory.c_str(),
                                  O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return failure("open", directory, errno);
  DIR* stream = ::fdopendir(descriptor);
  if (stream == nullptr) {
    const int number = errno;
    ::close(descriptor);
    return failure("fdopendir", directory, number);
  }
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(stream)) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  const int number = errno;
  ::closedir(stream);
  if (number != 0) return failure("readdir", directory, number);
  std::sort(names.begin(), names.end());
  return names;
}

Result<void> PosixDisk::sync_directory(const std::string& directory) {
  const int descriptor = ::openat(root_, directory.empty() ? "." : directory.c_str(),
                                  O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return failure("open", directory, errno);
  const int result = ::fsync(descriptor);
  const int number = errno;
  ::close(descriptor);
  if (result != 0) return failure("fsync", directory, number);
  return {};
}

Result<std::uint64_t> PosixDisk::free_space() {
  struct statvfs status;
  if (::fstatvfs(root_, &status) != 0) return failure("statvfs", "", errno);
  return static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize;
}

}  // namespace ekiden::spool
