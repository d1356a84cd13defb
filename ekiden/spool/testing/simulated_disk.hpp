#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "ekiden/base/random.hpp"
#include "ekiden/spool/disk.hpp"
#include "ekiden/spool/error.hpp"

namespace ekiden::spool::testing {

/// A disk in memory that forgets as real ones do, the same way from the same seed.
///
/// What was synced and what was only written are kept apart, for contents and for directory
/// entries. `power_cut` keeps an arbitrary part of what was not synced: blocks of 512 octets or
/// 4 KiB, in any order, torn anywhere between them. A failed sync leaves an arbitrary part of the
/// writes on the platter and, like Linux, forgets that the rest was ever dirty.
class SimulatedDisk final : public Disk {
 public:
  struct Counters {
    std::uint64_t writes = 0, syncs = 0, directory_syncs = 0, octets_written = 0;
  };

  explicit SimulatedDisk(std::uint64_t seed) : random_(seed) {}

  Result<std::unique_ptr<File>> open(const std::string& path, Open mode) override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<void> remove(const std::string& path) override;
  Result<void> make_directory(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& directory) override;
  Result<void> sync_directory(const std::string& directory) override;
  Result<std::uint64_t> free_space() override;

  /// The plug is pulled: open files are dead, what was not synced may be gone.
  void power_cut();
  /// The process dies, the machine lives: open files are dead, everything written stays.
  void kill();

  /// The n-th write (1 is the next) fails, having written an arbitrary part.
  void fail_write(std::uint64_t n, Errc error) { fail_write_ = {n, error}; }
  /// The n-th sync of a file fails.
  void fail_sync(std::uint64_t n, Errc error) { fail_sync_ = {n, error}; }
  /// Everything that changes the disk fails until `heal`.
  void fail_all(Errc error) { fail_all_ = static_cast<int>(error); }
  void heal() { fail_all_ = 0, fail_write_ = {}, fail_sync_ = {}; }
  /// The n-th change from now (write, sync, rename, …) cuts the power before it happens; every
  /// later call fails. Then call `power_cut` and start again.
  void cut_after(std::uint64_t n) { cut_after_ = n; }
  /// `tell` is called when that happens, inside the call that it happens in.
  void on_cut(std::function<void()> tell) { on_cut_ = std::move(tell); }
  /// The same for a sync that fails.
  void on_failed_sync(std::function<void()> tell) { on_failed_sync_ = std::move(tell); }
  bool is_cut() const { return is_cut_; }

  /// A broken disk: syncs succeed and make nothing durable.
  void set_sync_lies(bool lies) { sync_lies_ = lies; }

  void set_capacity(std::uint64_t octets) { capacity_ = octets; }
  const Counters& counters() const { return counters_; }

  /// Flips one bit of what is stored, synced or not.
  bool flip_bit(const std::string& path, std::uint64_t offset, unsigned bit = 0);
  /// The contents as the process sees them; empty when there is no such file.
  std::string contents(const std::string& path) const;
  void overwrite(const std::string& path, std::uint64_t offset, std::string_view octets);

 private:
  friend class SimulatedFile;
  struct Write {
    std::uint64_t offset;
    std::string octets;
  };
  struct Inode {
    std::string now;             ///< what reads see
    std::string durable;         ///< what the platter has
    std::uint64_t reserved = 0;  ///< octets allocated
    std::vector<Write> unsynced;
    bool size_unsynced = false;
  };
  struct Fault {
    std::uint64_t after = 0;  ///< 0: none
    Errc error = Errc::Io;
  };
  /// One directory entry that came, went, or now names another file.
  struct EntryChange {
    std::string path;
    std::shared_ptr<Inode> inode;  ///< null: removed
    std::uint64_t group;           ///< both halves of a rename happen or neither
  };

  Result<void> before_change();
  bool strikes(Fault& fault);
  std::uint64_t used() const;
  void keep_part(Inode& inode);
  void change_entry(const std::string& path, std::shared_ptr<Inode> inode, std::uint64_t group);

  mutable std::recursive_mutex mutex_;
  base::SeededRandom random_;
  std::map<std::string, std::shared_ptr<Inode>> now_, durable_;
  std::vector<EntryChange> unsynced_entries_;
  std::map<std::string, bool> directories_;
  std::uint64_t generation_ = 1, next_group_ = 1, capacity_ = ~0ULL, cut_after_ = 0;
  bool is_cut_ = false, sync_lies_ = false;
  std::function<void()> on_cut_, on_failed_sync_;
  int fail_all_ = 0;
  Fault fail_write_, fail_sync_;
  Counters counters_;
};

}  // namespace ekiden::spool::testing
