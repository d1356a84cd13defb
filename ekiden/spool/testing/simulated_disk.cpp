#include "ekiden/spool/testing/simulated_disk.hpp"

#include <algorithm>
#include <cstring>

namespace ekiden::spool::testing {
namespace {

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? std::string() : path.substr(0, slash);
}

void put(std::string& into, std::uint64_t offset, std::string_view octets) {
  if (into.size() < offset + octets.size()) into.resize(offset + octets.size());
  std::memcpy(into.data() + offset, octets.data(), octets.size());
}

}  // namespace

class SimulatedFile final : public File {
 public:
  SimulatedFile(SimulatedDisk& disk, std::shared_ptr<SimulatedDisk::Inode> inode)
      : disk_(disk), inode_(std::move(inode)), generation_(disk.generation_) {}

  Result<void> write_at(std::uint64_t offset, std::span<const std::string_view> pieces) override {
    const std::scoped_lock lock(disk_.mutex_);
    if (!is_alive()) return Errc::Io;
    std::string all;
    for (const std::string_view piece : pieces) all.append(piece);
    if (disk_.cut_after_ == 1) {
      // The cut comes in the middle of the write: a part of it may have reached the cache.
      all.resize(disk_.random_.below(all.size() + 1));
      remember(offset, std::move(all));
    }
    if (const Result<void> ready = disk_.before_change(); !ready) return ready;
    ++disk_.counters_.writes;
    disk_.counters_.octets_written += all.size();
    const std::uint64_t end = offset + all.size();
    if (end > inode_->reserved) {
      if (disk_.used() + end - inode_->reserved > disk_.capacity_) return Errc::NoSpace;
      inode_->reserved = end;
    }
    if (disk_.strikes(disk_.fail_write_)) {
      all.resize(disk_.random_.below(all.size() + 1));
      remember(offset, std::move(all));
      return disk_.fail_write_.error;
    }
    remember(offset, std::move(all));
    return {};
  }

  Result<std::size_t> read_at(std::uint64_t offset, std::span<char> into) override {
    const std::scoped_lock lock(disk_.mutex_);
    if (!is_alive()) return Errc::Io;
    if (offset >= inode_->now.size()) return std::size_t{0};
    const std::size_t n = std::min<std::size_t>(into.size(), inode_->now.size() - offset);
    std::memcpy(into.data(), inode_->now.data() + offset, n);
    return n;
  }

  Result<void> sync() override {
    const std::scoped_lock lock(disk_.mutex_);
    if (!is_alive()) return Errc::Io;
    if (const Result<void> ready = disk_.before_change(); !ready) return ready;
    ++disk_.counters_.syncs;
    if (disk_.sync_lies_) return {};
    if (disk_.strikes(disk_.fail_sync_)) {
      disk_.keep_part(*inode_);
      if (disk_.on_failed_sync_) disk_.on_failed_sync_();
      return disk_.fail_sync_.error;
    }
    for (const SimulatedDisk::Write& write : inode_->unsynced)
      put(inode_->durable, write.offset, write.octets);
    inode_->unsynced.clear();
    inode_->durable.resize(inode_->now.size());
    return {};
  }

  Result<void> allocate(std::uint64_t size) override {
    const std::scoped_lock lock(disk_.mutex_);
    if (!is_alive()) return Errc::Io;
    if (const Result<void> ready = disk_.before_change(); !ready) return ready;
    if (size > inode_->reserved) {
      if (disk_.used() + size - inode_->reserved > disk_.capacity_) return Errc::NoSpace;
      inode_->reserved = size;
    }
    if (inode_->now.size() < size) inode_->now.resize(size);
    return {};
  }

  Result<void> truncate(std::uint64_t size) override {
    const std::scoped_lock lock(disk_.mutex_);
    if (!is_alive()) return Errc::Io;
    if (const Result<void> ready = disk_.before_change(); !ready) return ready;
    inode_->now.resize(size);
    inode_->reserved = size;
    return {};
  }

  Result<std::uint64_t> size() override {
    const std::scoped_lock lock(disk_.mutex_);
    if (!is_alive()) return Errc::Io;
    return inode_->now.size();
  }

 private:
  bool is_alive() const { return generation_ == disk_.generation_ && !disk_.is_cut_; }
  void remember(std::uint64_t offset, std::string octets) {
    put(inode_->now, offset, octets);
    inode_->unsynced.push_back({offset, std::move(octets)});
  }

  SimulatedDisk& disk_;
  std::shared_ptr<SimulatedDisk::Inode> inode_;
  std::uint64_t generation_;
};

Result<void> SimulatedDisk::before_change() {
  if (is_cut_) return Errc::Io;
  if (cut_after_ > 0 && --cut_after_ == 0) {
    is_cut_ = true;
    if (on_cut_) on_cut_();
    return Errc::Io;
  }
  if (fail_all_ != 0) return static_cast<Errc>(fail_all_);
  return {};
}

bool SimulatedDisk::strikes(Fault& fault) {
  return fault.after > 0 && --fault.after == 0;
}

std::uint64_t SimulatedDisk::used() const {
  std::uint64_t sum = 0;
  for (const auto& [path, inode] : now_) sum += inode->reserved;
  return sum;
}

void SimulatedDisk::keep_part(Inode& inode) {
  const std::size_t grain = random_.below(2) == 0 ? 512 : 4096;
  const std::uint64_t mode = random_.below(4);  // 0: nothing, 1: everything, else: by lot
  for (const Write& write : inode.unsynced) {
    std::uint64_t at = write.offset;
    std::string_view rest = write.octets;
    while (!rest.empty()) {
      const std::size_t n = std::min<std::size_t>(rest.size(), grain - at % grain);
      if (mode == 1 || (mode > 1 && random_.below(2) == 0))
        put(inode.durable, at, rest.substr(0, n));
      at += n;
      rest.remove_prefix(n);
    }
  }
  inode.unsynced.clear();
  if (random_.below(2) == 0 && inode.durable.size() < inode.now.size())
    inode.durable.resize(inode.now.size());
}

void SimulatedDisk::power_cut() {
  const std::scoped_lock lock(mutex_);
  // Directory changes reach the disk in order; the cut falls somewhere between two.
  std::uint64_t groups = 0, last = 0;
  for (const EntryChange& change : unsynced_entries_)
    if (change.group != last) last = change.group, ++groups;
  std::uint64_t keep = random_.below(groups + 1);
  last = 0;
  for (const EntryChange& change : unsynced_entries_) {
    if (change.group != last) {
      last = change.group;
      if (keep-- == 0) break;
    }
    if (change.inode) {
      durable_[change.path] = change.inode;
    } else {
      durable_.erase(change.path);
    }
  }
  unsynced_entries_.clear();
  now_ = durable_;
  std::vector<Inode*> seen;
  for (auto& [path, inode] : now_) {
    if (std::find(seen.begin(), seen.end(), inode.get()) != seen.end()) continue;
    seen.push_back(inode.get());
    keep_part(*inode);
    inode->now = inode->durable;
    inode->reserved = std::max<std::uint64_t>(inode->reserved, inode->now.size());
  }
  kill();
}

void SimulatedDisk::kill() {
  const std::scoped_lock lock(mutex_);
  ++generation_;
  is_cut_ = false;
  cut_after_ = 0;
  heal();
}

void SimulatedDisk::change_entry(const std::string& path, std::shared_ptr<Inode> inode,
                                 std::uint64_t group) {
  if (inode) {
    now_[path] = inode;
  } else {
    now_.erase(path);
  }
  unsynced_entries_.push_back({path, std::move(inode), group});
}

Result<std::unique_ptr<File>> SimulatedDisk::open(const std::string& path, Open mode) {
  const std::scoped_lock lock(mutex_);
  if (is_cut_) return Errc::Io;
  auto found = now_.find(path);
  if (found == now_.end()) {
    if (mode == Open::Existing) return Errc::NotFound;
    if (const Result<void> ready = before_change(); !ready) return ready.error();
    change_entry(path, std::make_shared<Inode>(), next_group_++);
    found = now_.find(path);
  } else if (mode == Open::CreateNew) {
    return Errc::Io;
  }
  return std::unique_ptr<File>(std::make_unique<SimulatedFile>(*this, found->second));
}

Result<void> SimulatedDisk::rename(const std::string& from, const std::string& to) {
  const std::scoped_lock lock(mutex_);
  if (const Result<void> ready = before_change(); !ready) return ready;
  const auto found = now_.find(from);
  if (found == now_.end()) return Errc::NotFound;
  const std::shared_ptr<Inode> inode = found->second;
  const std::uint64_t group = next_group_++;
  change_entry(to, inode, group);
  change_entry(from, nullptr, group);
  return {};
}

Result<void> SimulatedDisk::remove(const std::string& path) {
  const std::scoped_lock lock(mutex_);
  if (const Result<void> ready = before_change(); !ready) return ready;
  if (!now_.contains(path)) return Errc::NotFound;
  change_entry(path, nullptr, next_group_++);
  return {};
}

Result<void> SimulatedDisk::make_directory(const std::string& path) {
  const std::scoped_lock lock(mutex_);
  if (is_cut_) return Errc::Io;
  directories_[path] = true;
  return {};
}

Result<std::vector<std::string>> SimulatedDisk::list(const std::string& directory) {
  const std::scoped_lock lock(mutex_);
  if (is_cut_) return Errc::Io;
  std::vector<std::string> names;
  for (const auto& [path, inode] : now_)
    if (directory_of(path) == directory)
      names.push_back(directory.empty() ? path : path.substr(directory.size() + 1));
  return names;
}

Result<void> SimulatedDisk::sync_directory(const std::string& directory) {
  const std::scoped_lock lock(mutex_);
  if (const Result<void> ready = before_change(); !ready) return ready;
  ++counters_.directory_syncs;
  std::vector<EntryChange> left;
  for (EntryChange& change : unsynced_entries_) {
    if (directory_of(change.path) != directory) {
      left.push_back(std::move(change));
    } else if (change.inode) {
      durable_[change.path] = std::move(change.inode);
    } else {
      durable_.erase(change.path);
    }
  }
  unsynced_entries_ = std::move(left);
  return {};
}

Result<std::uint64_t> SimulatedDisk::free_space() {
  const std::scoped_lock lock(mutex_);
  return capacity_ - std::min(capacity_, used());
}

bool SimulatedDisk::flip_bit(const std::string& path, std::uint64_t offset, unsigned bit) {
  const std::scoped_lock lock(mutex_);
  const auto found = now_.find(path);
  if (found == now_.end() || offset >= found->second->now.size()) return false;
  found->second->now[offset] = static_cast<char>(found->second->now[offset] ^ (1 << bit));
  if (offset < found->second->durable.size())
    found->second->durable[offset] = found->second->now[offset];
  return true;
}

std::string SimulatedDisk::contents(const std::string& path) const {
  const std::scoped_lock lock(mutex_);
  const auto found = now_.find(path);
  return found == now_.end() ? std::string() : found->second->now;
}

void SimulatedDisk::overwrite(const std::string& path, std::uint64_t offset,
                              std::string_view octets) {
  const std::scoped_lock lock(mutex_);
  const auto found = now_.find(path);
  if (found == now_.end()) return;
  put(found->second->now, offset, octets);
  put(found->second->durable, offset, octets);
}

}  // namespace ekiden::spool::testing
