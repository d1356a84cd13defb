#include "ekiden/base/private_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string_view>
#include <utility>

namespace ekiden::base {
namespace {

class File {
 public:
  explicit File(int fd) : fd_(fd) {}
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int get() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }

 private:
  int fd_;
};

Error last_error() {
  return Error(errno, boost::system::system_category());
}

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Result<void> give_to_folder_owner(int fd, const std::string& path) {
  if (::geteuid() != 0) return {};
  struct stat folder;
  if (::stat(folder_of(path).c_str(), &folder) != 0) return last_error();
  if (::fchown(fd, folder.st_uid, folder.st_gid) != 0) return last_error();
  return {};
}

Result<void> sync_folder(const std::string& path) {
  const File folder(::open(folder_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder.is_open() || ::fsync(folder.get()) != 0) return last_error();
  return {};
}

Result<std::string> load(const std::string& path, std::size_t size_max) {
  const File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open()) return last_error();
  std::string octets;
  std::array<char, 16384> part;
  while (octets.size() <= size_max) {
    const ssize_t n = ::read(file.get(), part.data(), part.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return last_error();
    if (n == 0) return octets;
    octets.append(part.data(), static_cast<std::size_t>(n));
  }
  return Error(EFBIG, boost::system::system_category());
}

Result<void> write_and_sync(int fd, std::string_view octets) {
  while (!octets.empty()) {
    const ssize_t n = ::write(fd, octets.data(), octets.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return last_error();
    octets.remove_prefix(static_cast<std::size_t>(n));
  }
  if (::fsync(fd) != 0) return last_error();
  return {};
}

Result<void> fill(int fd, const std::string& path, std::string_view octets) {
  if (const auto given = give_to_folder_owner(fd, path); !given) return given;
  return write_and_sync(fd, octets);
}

}  // namespace

Result<void> ensure_private_file(const std::string& path) {
  const File created(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (created.is_open()) {
    if (const auto given = give_to_folder_owner(created.get(), path); !given) return given;
    return sync_folder(path);
  }
  if (errno != EEXIST) return last_error();
  struct stat status;
  if (::stat(path.c_str(), &status) != 0) return last_error();
  if ((status.st_mode & 077) != 0 && ::chmod(path.c_str(), 0600) != 0) return last_error();
  return {};
}

Result<std::string> load_or_create_private_file(const std::string& path,
                                                const std::function<std::string()>& contents,
                                                std::size_t size_max) {
  Result<std::string> there = load(path, size_max);
  if (there || there.error().value() != ENOENT) return there;

  // Written aside and linked: link() fails when somebody else was first, and theirs counts.
  std::string aside = path + ".XXXXXX";
  const File file(::mkostemp(aside.data(), O_CLOEXEC));
  if (!file.is_open()) return last_error();
  const Result<void> filled = fill(file.get(), path, contents());
  const bool linked = filled && ::link(aside.c_str(), path.c_str()) == 0;
  const Error link_error = last_error();
  ::unlink(aside.c_str());
  if (!filled) return filled.error();
  if (!linked && link_error.value() != EEXIST) return link_error;
  if (const auto synced = sync_folder(path); !synced) return synced.error();
  return load(path, size_max);
}

Result<void> replace_private_file(const std::string& path, std::string_view octets) {
  std::string aside = path + ".XXXXXX";
  const File file(::mkostemp(aside.data(), O_CLOEXEC));
  if (!file.is_open()) return last_error();
  Result<void> result = fill(file.get(), path, octets);
  if (result && ::rename(aside.c_str(), path.c_str()) != 0) result = last_error();
  if (!result) {
    ::unlink(aside.c_str());
    return result;
  }
  return sync_folder(path);
}

}  // namespace ekiden::base
