// Goes between a program and its files, by LD_PRELOAD: fails the calls that it is told to fail, and
// records every change, with every reply that takes a message over, in the order of their
// happening.
//
//   EKIDEN_FAULT_ROOT     the folder that is watched, absolute
//   EKIDEN_FAULT_CONTROL  a file of one `Control`, which a test maps and changes while we run
//   EKIDEN_FAULT_LOG      where to record; records are appended, by us and by the test alike
//
// tests/scenarios/faultdisk.py is the other end of the control file, tests/powerloss reads the
// recording. A call is recorded once it has returned: up to then what it does may be on the disk or
// not, and what is not recorded counts as not there. A sync is recorded at both ends, for only
// what was written before its beginning is safe at its end. A reply is recorded before it leaves.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

#include "fault_disk.hpp"

namespace {

using namespace ekiden::faultdisk;

constexpr int kDescriptorsMax = 65536;

struct Watched {
  std::string path;  ///< relative to the root
  std::uint64_t inode = 0;
  bool is_directory = false;
  bool is_synchronous = false;  ///< O_DSYNC: every write is a sync of itself
};

/// Made at the first call, which may come before any constructor of ours, and never destroyed.
class Recorder {
 public:
  Recorder() {
    const char* const root = std::getenv("EKIDEN_FAULT_ROOT");
    if (root == nullptr) return;
    root_ = root;
    while (root_.size() > 1 && root_.back() == '/') root_.pop_back();
    if (const char* const path = std::getenv("EKIDEN_FAULT_CONTROL")) map_control(path);
    if (const char* const path = std::getenv("EKIDEN_FAULT_LOG"))
      log_ = static_cast<int>(
          ::syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600));
    if (log_ >= 0) record(Kind::Start, 0, 0, {}, {});
  }

  bool is_watching() const { return !root_.empty(); }
  bool is_recording() const { return log_ >= 0; }

  /// The path below the root; false when it lies elsewhere.
  bool find(int directory, const char* path, std::string& relative) const {
    if (!is_watching() || path == nullptr) return false;
    std::string full;
    if (path[0] != '/') {
      char name[64], target[4096];
      if (directory == AT_FDCWD) {
        std::snprintf(name, sizeof name, "/proc/self/cwd");
      } else {
        std::snprintf(name, sizeof name, "/proc/self/fd/%d", directory);
      }
      const ssize_t length = ::readlink(name, target, sizeof target);
      if (length <= 0) return false;
      full.assign(target, static_cast<std::size_t>(length));
      full += '/';
    }
    full += path;
    while (full.ends_with("/.")) full.resize(full.size() - 2);
    if (!full.starts_with(root_)) return false;
    if (full.size() > root_.size() && full[root_.size()] != '/') return false;
    relative = full.substr(std::min(full.size(), root_.size() + 1));
    return true;
  }

  void watch(int descriptor, const std::string& path, int flags) {
    struct stat status;
    if (descriptor < 0 || descriptor >= kDescriptorsMax || ::fstat(descriptor, &status) != 0)
      return;
    const std::scoped_lock lock(mutex_);
    if (table_.size() <= static_cast<std::size_t>(descriptor))
      table_.resize(static_cast<std::size_t>(descriptor) + 1);
    Watched& entry = table_[static_cast<std::size_t>(descriptor)];
    entry.path = path;
    entry.inode = status.st_ino;
    entry.is_directory = S_ISDIR(status.st_mode);
    entry.is_synchronous = (flags & O_DSYNC) != 0;
    is_watched_[descriptor].store(true, std::memory_order_relaxed);
    if (!entry.is_directory)
      append(Kind::Open, entry.inode, static_cast<std::uint64_t>(status.st_size), path, {});
  }
  bool get(int descriptor, Watched& found) {
    if (descriptor < 0 || descriptor >= kDescriptorsMax ||
        !is_watched_[descriptor].load(std::memory_order_relaxed))
      return false;
    const std::scoped_lock lock(mutex_);
    found = table_[static_cast<std::size_t>(descriptor)];
    return true;
  }
  void forget(int descriptor) {
    if (descriptor >= 0 && descriptor < kDescriptorsMax)
      is_watched_[descriptor].store(false, std::memory_order_relaxed);
  }

  /// The error that this call is to fail with, or 0.
  int judge(Call call, std::string_view path, bool& does_it_all_the_same) {
    if (control_ == nullptr) return 0;
    const std::scoped_lock lock(mutex_);
    const std::string_view prefix(control_->prefix,
                                  ::strnlen(control_->prefix, sizeof control_->prefix));
    if ((control_->calls & static_cast<std::uint32_t>(call)) == 0 || !path.starts_with(prefix))
      return 0;
    ++control_->seen;
    if (control_->skip > 0) {
      --control_->skip;
      return 0;
    }
    if (control_->fail == 0) return 0;
    if (control_->fail != kForEver) --control_->fail;
    ++control_->struck;
    does_it_all_the_same = control_->does_it_all_the_same != 0;
    return static_cast<int>(control_->error);
  }

  void record(Kind kind, std::uint64_t inode, std::uint64_t number, std::string_view path,
              std::string_view data) {
    const std::scoped_lock lock(mutex_);
    append(kind, inode, number, path, data);
  }
  /// Held while a call is made and recorded. A process that is to die does so outside of all.
  std::shared_lock<std::shared_mutex> enter() {
    if (control_ != nullptr && control_->dies != 0) {
      const std::unique_lock alone(calls_);
      ::kill(::getpid(), SIGKILL);
    }
    return std::shared_lock(calls_);
  }
  std::uint64_t next_token() { return token_.fetch_add(1) + 1; }

 private:
  void map_control(const char* path) {
    const int file = static_cast<int>(::syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0));
    if (file < 0) return;
    void* const at = ::mmap(nullptr, sizeof(Control), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (at != MAP_FAILED) control_ = static_cast<Control*>(at);
    ::syscall(SYS_close, file);
  }

  void append(Kind kind, std::uint64_t inode, std::uint64_t number, std::string_view path,
              std::string_view data) {
    if (log_ < 0) return;
    Header header;
    header.kind = static_cast<std::uint16_t>(kind);
    header.path_octets = static_cast<std::uint16_t>(path.size());
    header.inode = inode;
    header.number = number;
    header.data_octets = data.size();
    std::string whole(reinterpret_cast<const char*>(&header), sizeof header);
    whole += path;
    whole += data;
    // One call, so that records of several writers do not mix. Half a recording is worse than none.
    if (::syscall(SYS_write, log_, whole.data(), whole.size()) !=
        static_cast<ssize_t>(whole.size()))
      std::abort();
  }

  std::string root_;
  Control* control_ = nullptr;
  int log_ = -1;
  std::shared_mutex calls_;
  std::mutex mutex_;
  std::vector<Watched> table_;
  std::atomic<bool> is_watched_[kDescriptorsMax] = {};
  std::atomic<std::uint64_t> token_{0};
};

Recorder& recorder() {
  static Recorder* const one = new Recorder;
  return *one;
}

template <class Function>
Function* next(Function*, const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}
// The function that we stand before.
#define NEXT(name) static auto* const real = next(&::name, #name)

/// Fails a call about a path before anything happens. True when it is to fail, errno set.
bool fails(Call call, const std::string& path, bool& does_it_all_the_same) {
  const int error = recorder().judge(call, path, does_it_all_the_same);
  if (error == 0) return false;
  errno = error;
  return true;
}

template <class Open>
int opened(int directory, const char* path, int flags, Open open) {
  std::string relative;
  if (!recorder().find(directory, path, relative)) return open();
  const auto held = recorder().enter();
  bool does_it = false;
  if ((flags & O_CREAT) != 0 && fails(Call::Create, relative, does_it)) return -1;
  const int descriptor = open();
  if (descriptor >= 0) recorder().watch(descriptor, relative, flags);
  return descriptor;
}

/// A write of `pieces` at `offset`, or where the file stands when that is negative.
ssize_t written(int descriptor, const iovec* pieces, int count, off_t offset, bool is_durable,
                ssize_t (*write)(int, const iovec*, int, off_t, int), int flags) {
  Watched file;
  if (!recorder().get(descriptor, file) || file.is_directory)
    return write(descriptor, pieces, count, offset, flags);
  const auto held = recorder().enter();
  if (offset < 0) offset = ::lseek(descriptor, 0, SEEK_CUR);
  std::string octets;
  for (int i = 0; i < count; ++i)
    octets.append(static_cast<const char*>(pieces[i].iov_base), pieces[i].iov_len);
  bool does_it_all_the_same = false;
  const int error = recorder().judge(Call::Write, file.path, does_it_all_the_same);
  if (error != 0) {
    // Torn in the middle of a sector, or wholly there although it is said to have failed.
    if (!does_it_all_the_same) octets.resize(octets.size() / 2);
    const iovec part{octets.data(), octets.size()};
    const ssize_t wrote = write(descriptor, &part, 1, offset, flags);
    if (wrote > 0)
      recorder().record(Kind::Write, file.inode, static_cast<std::uint64_t>(offset), {},
                        std::string_view(octets).substr(0, static_cast<std::size_t>(wrote)));
    errno = error;
    return -1;
  }
  const ssize_t wrote = write(descriptor, pieces, count, offset, flags);
  if (wrote <= 0 || !recorder().is_recording()) return wrote;
  const int number = errno;
  const std::string_view done = std::string_view(octets).substr(0, static_cast<std::size_t>(wrote));
  recorder().record(is_durable || file.is_synchronous ? Kind::DurableWrite : Kind::Write,
                    file.inode, static_cast<std::uint64_t>(offset), {}, done);
  errno = number;
  return wrote;
}

int synced(int descriptor, int (*sync)(int)) {
  Watched file;
  if (!recorder().get(descriptor, file)) return sync(descriptor);
  const auto held = recorder().enter();
  const std::uint64_t token = recorder().next_token();
  // A folder is named, a file known by its inode.
  const std::uint64_t inode = file.is_directory ? 0 : file.inode;
  recorder().record(Kind::SyncBegin, inode, token, file.path, {});
  bool does_it_all_the_same = false;
  int error = recorder().judge(file.is_directory ? Call::SyncFolder : Call::Sync, file.path,
                               does_it_all_the_same);
  if (error == 0 || does_it_all_the_same) {
    if (sync(descriptor) != 0 && error == 0) error = errno;
  }
  recorder().record(error == 0 ? Kind::SyncEnd : Kind::SyncFailed, inode, token, file.path, {});
  if (error == 0) return 0;
  errno = error;
  return -1;
}

int sized(int descriptor, off_t size, Call call, Kind kind, int (*change)(int, off_t)) {
  Watched file;
  if (!recorder().get(descriptor, file)) return change(descriptor, size);
  const auto held = recorder().enter();
  bool does_it_all_the_same = false;
  if (fails(call, file.path, does_it_all_the_same)) {
    const int number = errno;
    if (does_it_all_the_same && change(descriptor, size) == 0)
      recorder().record(kind, file.inode, static_cast<std::uint64_t>(size), {}, {});
    errno = number;
    return -1;
  }
  const int result = change(descriptor, size);
  if (result == 0) recorder().record(kind, file.inode, static_cast<std::uint64_t>(size), {}, {});
  return result;
}

int renamed(int from_folder, const char* from, int to_folder, const char* to) {
  NEXT(renameat);
  std::string source, target;
  if (!recorder().find(from_folder, from, source) || !recorder().find(to_folder, to, target))
    return real(from_folder, from, to_folder, to);
  const auto held = recorder().enter();
  bool does_it_all_the_same = false;
  const bool is_to_fail = fails(Call::Rename, source, does_it_all_the_same);
  const int number = errno;
  if (is_to_fail && !does_it_all_the_same) return -1;
  const int result = real(from_folder, from, to_folder, to);
  if (result == 0) recorder().record(Kind::Rename, 0, 0, source, target);
  if (!is_to_fail) return result;
  errno = number;
  return -1;
}

int unlinked(int folder, const char* path, int flags) {
  NEXT(unlinkat);
  std::string relative;
  if (!recorder().find(folder, path, relative)) return real(folder, path, flags);
  const auto held = recorder().enter();
  bool does_it_all_the_same = false;
  const bool is_to_fail = fails(Call::Unlink, relative, does_it_all_the_same);
  const int number = errno;
  if (is_to_fail && !does_it_all_the_same) return -1;
  const int result = real(folder, path, flags);
  if (result == 0) recorder().record(Kind::Unlink, 0, 0, relative, {});
  if (!is_to_fail) return result;
  errno = number;
  return -1;
}

/// RFC 5321 §4.2.5: with this reply the message is ours.
void note_reply(std::string_view octets) {
  constexpr std::string_view kTaken = "queued as ";
  for (std::size_t at = 0; (at = octets.find(kTaken, at)) != std::string_view::npos;) {
    at += kTaken.size();
    const std::size_t end = octets.find_first_of("\r\n ", at);
    recorder().record(Kind::Reply, 0, 0, {}, octets.substr(at, end - at));
  }
}

ssize_t call_pwritev(int descriptor, const iovec* pieces, int count, off_t offset, int) {
  NEXT(pwritev);
  return real(descriptor, pieces, count, offset);
}
ssize_t call_pwritev2(int descriptor, const iovec* pieces, int count, off_t offset, int flags) {
  NEXT(pwritev2);
  return real(descriptor, pieces, count, offset, flags);
}
ssize_t call_pwrite(int descriptor, const iovec* pieces, int, off_t offset, int) {
  NEXT(pwrite);
  return real(descriptor, pieces->iov_base, pieces->iov_len, offset);
}
ssize_t call_write(int descriptor, const iovec* pieces, int, off_t, int) {
  NEXT(write);
  return real(descriptor, pieces->iov_base, pieces->iov_len);
}

mode_t mode_of(int flags, va_list arguments) {
  return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
}

}  // namespace

extern "C" {

int open(const char* path, int flags, ...) {
  NEXT(open);
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = mode_of(flags, arguments);
  va_end(arguments);
  return opened(AT_FDCWD, path, flags, [&] { return real(path, flags, mode); });
}
int open64(const char* path, int flags, ...) {
  NEXT(open64);
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = mode_of(flags, arguments);
  va_end(arguments);
  return opened(AT_FDCWD, path, flags, [&] { return real(path, flags, mode); });
}
int openat(int folder, const char* path, int flags, ...) {
  NEXT(openat);
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = mode_of(flags, arguments);
  va_end(arguments);
  return opened(folder, path, flags, [&] { return real(folder, path, flags, mode); });
}
int openat64(int folder, const char* path, int flags, ...) {
  NEXT(openat64);
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = mode_of(flags, arguments);
  va_end(arguments);
  return opened(folder, path, flags, [&] { return real(folder, path, flags, mode); });
}
int close(int descriptor) {
  NEXT(close);
  recorder().forget(descriptor);
  return real(descriptor);
}

ssize_t write(int descriptor, const void* octets, size_t size) {
  const iovec piece{const_cast<void*>(octets), size};
  return written(descriptor, &piece, 1, -1, false, call_write, 0);
}
ssize_t pwrite(int descriptor, const void* octets, size_t size, off_t offset) {
  const iovec piece{const_cast<void*>(octets), size};
  return written(descriptor, &piece, 1, offset, false, call_pwrite, 0);
}
ssize_t pwrite64(int descriptor, const void* octets, size_t size, off64_t offset) {
  return pwrite(descriptor, octets, size, offset);
}
ssize_t pwritev(int descriptor, const iovec* pieces, int count, off_t offset) {
  return written(descriptor, pieces, count, offset, false, call_pwritev, 0);
}
ssize_t pwritev64(int descriptor, const iovec* pieces, int count, off64_t offset) {
  return pwritev(descriptor, pieces, count, offset);
}
ssize_t pwritev2(int descriptor, const iovec* pieces, int count, off_t offset, int flags) {
  return written(descriptor, pieces, count, offset, (flags & (RWF_DSYNC | RWF_SYNC)) != 0,
                 call_pwritev2, flags);
}
ssize_t pwritev64v2(int descriptor, const iovec* pieces, int count, off64_t offset, int flags) {
  return pwritev2(descriptor, pieces, count, offset, flags);
}

int fdatasync(int descriptor) {
  NEXT(fdatasync);
  return synced(descriptor, real);
}
int fsync(int descriptor) {
  NEXT(fsync);
  return synced(descriptor, real);
}
int sync_file_range(int descriptor, off64_t offset, off64_t size, unsigned flags) {
  NEXT(sync_file_range);
  // It promises nothing about a power cut, so there is nothing to record.
  Watched file;
  bool does_it_all_the_same = false;
  if (recorder().get(descriptor, file) && fails(Call::Sync, file.path, does_it_all_the_same))
    return -1;
  return real(descriptor, offset, size, flags);
}

int ftruncate(int descriptor, off_t size) noexcept {
  NEXT(ftruncate);
  return sized(descriptor, size, Call::Truncate, Kind::Truncate,
               [](int d, off_t s) { return real(d, s); });
}
int ftruncate64(int descriptor, off64_t size) noexcept {
  return ftruncate(descriptor, size);
}
int fallocate(int descriptor, int mode, off_t offset, off_t size) {
  NEXT(fallocate);
  if (mode != 0) return real(descriptor, mode, offset, size);
  return sized(descriptor, offset + size, Call::Allocate, Kind::Allocate,
               [](int d, off_t s) { return real(d, 0, 0, s); });
}
int fallocate64(int descriptor, int mode, off64_t offset, off64_t size) {
  return fallocate(descriptor, mode, offset, size);
}
int posix_fallocate(int descriptor, off_t offset, off_t size) {
  NEXT(posix_fallocate);
  const int failed =
      sized(descriptor, offset + size, Call::Allocate, Kind::Allocate, [](int d, off_t s) {
        errno = real(d, 0, s);
        return errno == 0 ? 0 : -1;
      });
  return failed == 0 ? 0 : errno;
}
int posix_fallocate64(int descriptor, off64_t offset, off64_t size) {
  return posix_fallocate(descriptor, offset, size);
}

int rename(const char* from, const char* to) noexcept {
  return renamed(AT_FDCWD, from, AT_FDCWD, to);
}
int renameat(int from_folder, const char* from, int to_folder, const char* to) noexcept {
  return renamed(from_folder, from, to_folder, to);
}
int unlink(const char* path) noexcept {
  return unlinked(AT_FDCWD, path, 0);
}
int unlinkat(int folder, const char* path, int flags) noexcept {
  return unlinked(folder, path, flags);
}

ssize_t send(int socket, const void* octets, size_t size, int flags) {
  NEXT(send);
  if (!recorder().is_recording()) return real(socket, octets, size, flags);
  const auto held = recorder().enter();
  note_reply({static_cast<const char*>(octets), size});
  return real(socket, octets, size, flags);
}
ssize_t sendmsg(int socket, const msghdr* message, int flags) {
  NEXT(sendmsg);
  if (!recorder().is_recording()) return real(socket, message, flags);
  const auto held = recorder().enter();
  std::string all;
  for (std::size_t i = 0; i < message->msg_iovlen; ++i)
    all.append(static_cast<const char*>(message->msg_iov[i].iov_base), message->msg_iov[i].iov_len);
  note_reply(all);
  return real(socket, message, flags);
}

}  // extern "C"
