#pragma once

#include <atomic>
#include <cstdint>

/// What libfaultdisk.so shares with a test, in memory and on disk. Little-endian, no padding.
namespace ekiden::faultdisk {

/// The calls that may be told to fail; `Control::calls` is a sum of them.
enum class Call : std::uint32_t {
  Create = 1,
  Write = 2,
  Sync = 4,
  Truncate = 8,
  Allocate = 16,
  Rename = 32,
  Unlink = 64,
  SyncFolder = 128,
};

inline constexpr std::uint64_t kForEver = ~0ULL;

/// The control file. A test writes `fail` last.
struct Control {
  std::atomic<std::uint64_t> seen;  ///< calls that matched, counted here
  std::atomic<std::uint64_t> skip;  ///< matching calls that still pass
  std::atomic<std::uint64_t>
      fail;  ///< matching calls that fail after them; kForEver: until told otherwise
  std::atomic<std::uint64_t> struck;  ///< calls that failed, counted here
  std::atomic<std::uint32_t> calls;
  std::atomic<std::uint32_t> error;  ///< an errno
  /// What failed is done nevertheless. Otherwise a failing write leaves its first half.
  std::atomic<std::uint32_t> does_it_all_the_same;
  /// The process kills itself (SIGKILL) between two of its calls, so that the recording of each is
  /// whole.
  std::atomic<std::uint32_t> dies;
  char prefix[208];  ///< of the paths below the root that match
};
static_assert(sizeof(Control) == 256);

enum class Kind : std::uint16_t {
  Start = 1,     ///< a process begins; what the one before it wrote is still there
  Open,          ///< path; number: its size
  Write,         ///< number: the offset; data
  DurableWrite,  ///< O_DSYNC, RWF_DSYNC: safe once recorded
  SyncBegin,     ///< number: a token; a folder has no inode
  SyncEnd,       ///< of the same token: what was recorded before SyncBegin is safe
  SyncFailed,
  Truncate,  ///< number: the size
  Allocate,  ///< number: the size
  Rename,    ///< path; data: the new one
  Unlink,    ///< path
  Reply,     ///< data: the id of a message that is answered 250 now
  Note,      ///< data: the test's own words
};

/// Before each record of the recording; then its path, then its data.
struct Header {
  std::uint32_t magic = 0x44464b45;  ///< "EKFD"
  std::uint16_t kind = 0;
  std::uint16_t path_octets = 0;
  std::uint64_t inode = 0;
  std::uint64_t number = 0;
  std::uint64_t data_octets = 0;
};
static_assert(sizeof(Header) == 32);

}  // namespace ekiden::faultdisk
