#include "ekiden/spool/segments.hpp"

#include <algorithm>
#include <cstdio>

#include "ekiden/base/assert.hpp"
#include "ekiden/base/log.hpp"
#include "ekiden/base/text.hpp"

namespace ekiden::spool {

std::string segment_path(std::uint32_t slot) {
  char name[32];
  std::snprintf(name, sizeof name, "journal/%08u.seg", slot);
  return name;
}

Result<std::shared_ptr<File>> SegmentFiles::open(std::uint32_t slot) {
  const std::scoped_lock lock(mutex_);
  if (const auto found = open_.find(slot); found != open_.end()) {
    ages_.splice(ages_.begin(), ages_, found->second.age);
    return found->second.file;
  }
  Result<std::unique_ptr<File>> file = disk_.open(segment_path(slot), Open::Existing);
  if (!file) return file.error();
  if (open_.size() >= kOpenMax) {
    open_.erase(ages_.back());
    ages_.pop_back();
  }
  ages_.push_front(slot);
  Entry& entry = open_[slot];
  entry.file = std::move(*file);
  entry.age = ages_.begin();
  return entry.file;
}

void SegmentFiles::forget(std::uint32_t slot) {
  const std::scoped_lock lock(mutex_);
  const auto found = open_.find(slot);
  if (found == open_.end()) return;
  ages_.erase(found->second.age);
  open_.erase(found);
}

void SegmentFiles::clear() {
  const std::scoped_lock lock(mutex_);
  open_.clear();
  ages_.clear();
}

Result<void> SegmentTable::read_headers() {
  Result<std::vector<std::string>> names = disk_.list("journal");
  if (!names) return names.error();
  std::string page(kPage, '\0');
  for (const std::string& name : *names) {
    if (name.size() != 12 || !name.ends_with(".seg")) continue;
    const auto slot = base::parse_u64(name.substr(0, 8));
    if (!slot || *slot >= kSlotsMax) continue;
    const auto number = static_cast<std::uint32_t>(*slot);
    Result<std::shared_ptr<File>> file = files.open(number);
    if (!file) return file.error();
    page.assign(kPage, '\0');
    const Result<std::size_t> got = (*file)->read_at(0, page);
    if (!got) return got.error();
    const Result<std::uint64_t> size = (*file)->size();
    if (!size) return size.error();
    SegmentHeader header;
    const HeaderState state = decode_segment_page(std::string_view(page).substr(0, *got), header);
    if (state == HeaderState::Damaged ||
        (state == HeaderState::Valid && header.life.slot != *slot)) {
      // Nobody can say what it held: kept for an operator, out of everyone's way.
      files.forget(number);
      if (const auto moved = disk_.rename("journal/" + name, "quarantine/" + name); !moved)
        return moved;
      if (const auto synced = disk_.sync_directory("quarantine"); !synced) return synced;
      if (const auto synced = disk_.sync_directory("journal"); !synced) return synced;
      ++quarantined_files_;
      base::log::error("spool_segment_quarantined",
                       {{"segment", number}, {"reason", "both copies of its header are damaged"}});
      continue;
    }
    if (segments_.size() <= number) segments_.resize(number + 1);
    Segment& segment = segments_[number];
    segment.header = header;
    segment.header.life.slot = number;
    next_sequence_ = std::max(next_sequence_, header.sequence + 1);
    if (header.is_used) {
      segment.state = SegmentState::Sealed;
      ++existing_;
    } else if (*size == segment_octets_) {
      segment.state = SegmentState::Free;
      segment.header.octets = segment_octets_;
      free_.push_back(number);
      ++existing_;
    } else {
      // A birth that a crash interrupted, or another segment size: not worth keeping.
      segment.state = SegmentState::Missing;
      files.forget(number);
      if (const auto removed = disk_.remove("journal/" + name); !removed) return removed;
    }
  }
  return {};
}

Result<void> SegmentTable::create() {
  std::uint32_t slot = 0;
  while (slot < segments_.size() && segments_[slot].state != SegmentState::Missing) ++slot;
  if (slot >= kSlotsMax) return Errc::NoSpace;
  const std::string path = segment_path(slot);
  // A file whose making failed half-way may still be there; its content is nobody's.
  Result<std::unique_ptr<File>> file = disk_.open(path, Open::Create);
  if (!file) return file.error();
  Result<void> result = (*file)->truncate(0);
  if (result) result = (*file)->allocate(segment_octets_);
  if (result) result = (*file)->sync();
  if (result) result = disk_.sync_directory("journal");
  if (!result) {
    file->reset();
    (void)disk_.remove(path);
    return result;
  }
  if (slot >= segments_.size()) segments_.resize(slot + 1);
  segments_[slot] = Segment{};
  segments_[slot].header.life.slot = slot;
  segments_[slot].state = SegmentState::Free;
  free_.push_back(slot);
  ++existing_;
  return {};
}

std::uint32_t SegmentTable::begin(base::Random& random) {
  EKIDEN_ASSERT(!free_.empty(), "the caller looked");
  const std::uint32_t slot = free_.back();
  free_.pop_back();
  Segment& segment = segments_[slot];
  segment = Segment{};
  segment.state = SegmentState::Active;
  segment.header.life.slot = slot;
  // Never 0: that is what a record header that could not be read looks like.
  segment.header.life.epoch = random.next() | 1;
  segment.header.sequence = next_sequence_++;
  segment.header.octets = segment_octets_;
  segment.header.is_used = true;
  segment.end = kPage;
  return slot;
}

Result<void> SegmentTable::mark_free(std::uint32_t slot) {
  Segment& segment = segments_[slot];
  SegmentHeader header = segment.header;
  header.is_used = false;
  const std::string page = encode_segment_page(header);
  Result<std::shared_ptr<File>> file = files.open(slot);
  if (!file) return file.error();
  const std::string_view piece = page;
  Result<void> result = (*file)->write_at(0, {&piece, 1});
  if (result) result = (*file)->sync();
  if (!result) return result;
  segment = Segment{};
  segment.header = header;
  segment.state = SegmentState::Free;
  free_.push_back(slot);
  return {};
}

Result<void> SegmentTable::remove(std::uint32_t slot) {
  files.forget(slot);
  Result<void> result = disk_.remove(segment_path(slot));
  if (!result && result.error() != make_error_code(Errc::NotFound)) return result;
  result = disk_.sync_directory("journal");
  if (!result) return result;
  segments_[slot] = Segment{};
  --existing_;
  return {};
}

Result<void> SegmentTable::remove_free() {
  EKIDEN_ASSERT(!free_.empty(), "the caller looked");
  const std::uint32_t slot = free_.front();
  const Result<void> removed = remove(slot);
  if (removed) free_.erase(free_.begin());
  return removed;
}

}  // namespace ekiden::spool
