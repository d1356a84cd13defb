#include "tests/powerloss/platter.hpp"

#include <algorithm>

namespace ekiden::powerloss {
namespace {

using faultdisk::Kind;

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? std::string() : path.substr(0, slash);
}

/// What a cut may make of everything that is not safe.
enum class Lot { Nothing, Everything, Sectors, Pages, Count };

}  // namespace

void Platter::follow(const Record& record) {
  ++now_at_;
  if (!record.is_in_spool) {
    // An inode's number is used again once its file is gone, in another folder perhaps.
    if (record.kind == Kind::Open) inodes_.erase(record.inode);
    return;
  }
  const auto file = [&]() -> File* {
    const auto found = inodes_.find(record.inode);
    return found == inodes_.end() ? nullptr : found->second.get();
  };
  switch (record.kind) {
    case Kind::Open:
      opened(record);
      break;
    case Kind::Write:
    case Kind::DurableWrite:
      if (File* const f = file()) {
        f->size = std::max(f->size, record.number + record.data.size());
        if (record.kind == Kind::DurableWrite) {
          f->safe.write(record.number, record.data);
        } else {
          f->unsafe.push_back({now_at_, record.number, record.data});
        }
      }
      break;
    case Kind::SyncBegin:
      syncs_[record.number] = now_at_;
      break;
    case Kind::SyncEnd:
    case Kind::SyncFailed:
      if (ignored_ == 0 || random_.below(ignored_) != 0)
        synced(record, record.kind == Kind::SyncEnd);
      break;
    case Kind::Truncate:
      if (File* const f = file()) {
        f->size = record.number;
        // What lies behind may come back in part, so it stays among what may be there.
        if (record.number == 0) f->unsafe.clear();
      }
      break;
    case Kind::Allocate:
      if (File* const f = file()) f->size = std::max(f->size, record.number);
      break;
    case Kind::Rename: {
      const std::string from(record.path), to(record.data);
      const auto found = names_.find(from);
      if (found == names_.end()) break;
      const std::shared_ptr<File> moved = found->second;
      change_name(from, nullptr, now_at_);
      change_name(to, moved, now_at_);
      break;
    }
    case Kind::Unlink:
      change_name(std::string(record.path), nullptr, now_at_);
      break;
    case Kind::Start:
      syncs_.clear();
      break;
    case Kind::Reply:
    case Kind::Note:
      break;
  }
}

void Platter::opened(const Record& record) {
  const std::string path(record.path);
  const auto named = names_.find(path);
  const auto known = inodes_.find(record.inode);
  if (named != names_.end() && known != inodes_.end() && named->second == known->second) return;
  auto file = std::make_shared<File>();
  file->size = record.number;
  inodes_[record.inode] = file;
  change_name(path, file, now_at_);
}

void Platter::synced(const Record& record, bool is_success) {
  const auto begun = syncs_.find(record.number);
  if (begun == syncs_.end()) return;
  const std::uint64_t before = begun->second;
  syncs_.erase(begun);
  if (record.inode == 0) {
    // Of a folder's failed sync nothing is known, and what it should have saved stays unsafe.
    if (is_success) synced_folder(std::string(record.path), before);
    return;
  }
  const auto found = inodes_.find(record.inode);
  if (found == inodes_.end()) return;
  File& file = *found->second;
  const auto end = std::partition_point(file.unsafe.begin(), file.unsafe.end(),
                                        [before](const Write& w) { return w.at < before; });
  if (is_success) {
    file.safe.resize(file.size);
    for (auto write = file.unsafe.begin(); write != end; ++write)
      file.safe.write(write->offset, write->octets);
  } else {
    keep_some({file.unsafe.begin(), end}, file.safe, file.size, random_);
  }
  file.unsafe.erase(file.unsafe.begin(), end);
}

void Platter::synced_folder(const std::string& folder, std::uint64_t before) {
  std::vector<NameChange> left;
  for (NameChange& change : unsafe_names_) {
    if (change.at >= before || folder_of(change.path) != folder) {
      left.push_back(std::move(change));
    } else if (change.file) {
      safe_names_[change.path] = std::move(change.file);
    } else {
      safe_names_.erase(change.path);
    }
  }
  unsafe_names_ = std::move(left);
}

void Platter::change_name(const std::string& path, std::shared_ptr<File> file,
                          std::uint64_t group) {
  if (file) {
    names_[path] = file;
  } else {
    names_.erase(path);
  }
  unsafe_names_.push_back({now_at_, path, std::move(file), group});
}

void Platter::keep_some(const std::vector<Write>& writes, Contents& contents, std::uint64_t size,
                        base::Random& random) {
  const auto lot = static_cast<Lot>(random.below(static_cast<std::uint64_t>(Lot::Count)));
  // The size is metadata and goes its own way.
  if (lot == Lot::Everything || (lot != Lot::Nothing && random.below(2) == 0))
    contents.resize(size);
  if (lot == Lot::Nothing) return;
  const std::uint64_t grain = lot == Lot::Pages ? 4096 : 512;
  const auto each_block = [&](const auto& see) {
    for (const Write& write : writes) {
      std::uint64_t at = write.offset;
      std::string_view rest = write.octets;
      while (!rest.empty()) {
        const std::size_t n = std::min<std::size_t>(rest.size(), grain - at % grain);
        see(at / grain, at, rest.substr(0, n));
        at += n;
        rest.remove_prefix(n);
      }
    }
  };
  // Of several writes to one sector the platter has the first so many: a sector that was written
  // late holds what was written early as well.
  std::unordered_map<std::uint64_t, std::uint64_t> left;
  each_block([&](std::uint64_t block, std::uint64_t, std::string_view) { ++left[block]; });
  if (lot != Lot::Everything) {
    std::vector<std::uint64_t> blocks;
    for (const auto& [block, count] : left) blocks.push_back(block);
    std::sort(blocks.begin(), blocks.end());
    for (const std::uint64_t block : blocks) left[block] = random.below(left[block] + 1);
  }
  each_block([&](std::uint64_t block, std::uint64_t at, std::string_view octets) {
    std::uint64_t& count = left[block];
    if (count == 0) return;
    --count;
    contents.write(at, octets);
  });
}

ImageDisk Platter::cut(base::Random& random) const {
  std::map<std::string, std::shared_ptr<File>> names = safe_names_;
  const auto lot = static_cast<Lot>(random.below(static_cast<std::uint64_t>(Lot::Count)));
  std::uint64_t group = 0;
  bool is_kept = false;
  for (const NameChange& change : unsafe_names_) {
    if (change.group != group) {
      group = change.group;
      is_kept = lot == Lot::Everything || (lot != Lot::Nothing && random.below(2) == 0);
    }
    if (!is_kept) continue;
    if (change.file) {
      names[change.path] = change.file;
    } else {
      names.erase(change.path);
    }
  }
  ImageDisk disk;
  for (const auto& [path, file] : names) {
    Contents contents = file->safe;
    if (!file->unsafe.empty() || contents.size() != file->size)
      keep_some(file->unsafe, contents, file->size, random);
    disk.put(path, std::move(contents));
  }
  return disk;
}

}  // namespace ekiden::powerloss
