#include "ekiden/spool/event_queue.hpp"

#include <algorithm>
#include <cstdio>

#include "ekiden/base/bytes.hpp"
#include "ekiden/base/checksum.hpp"
#include "ekiden/base/log.hpp"
#include "ekiden/spool/format.hpp"

namespace ekiden::spool {

std::string SpilledEvents::path() const {
  char name[64];
  std::snprintf(name, sizeof name, "events/%016llx-%016llx.events",
                static_cast<unsigned long long>(first), static_cast<unsigned long long>(last));
  return name;
}

void EventQueue::add(EventRef ref) {
  if (memory_octets_ + ref.octets > memory_max_) ref.memory.reset();
  if (ref.memory) memory_octets_ += ref.octets;
  octets_ += ref.octets;
  refs_.push_back(std::move(ref));
}

void EventQueue::restore(std::vector<EventRef> found, std::vector<SpilledEvents> spilled,
                         std::uint64_t cursor) {
  cursor_ = cursor;
  std::stable_sort(found.begin(), found.end(),
                   [](const EventRef& a, const EventRef& b) { return a.sequence < b.sequence; });
  for (SpilledEvents& file : spilled)
    if (file.last > cursor) spilled_.push_back(file);
  for (EventRef& ref : found) {
    if (ref.sequence <= cursor) continue;
    if (!refs_.empty() && refs_.back().sequence == ref.sequence) continue;
    const bool is_spilled =
        std::any_of(spilled_.begin(), spilled_.end(), [&](const SpilledEvents& file) {
          return file.first <= ref.sequence && ref.sequence <= file.last;
        });
    if (!is_spilled) add(std::move(ref));
  }
}

EventRef* EventQueue::find(std::uint64_t sequence) {
  const auto found = std::lower_bound(
      refs_.begin(), refs_.end(), sequence,
      [](const EventRef& ref, std::uint64_t wanted) { return ref.sequence < wanted; });
  return found != refs_.end() && found->sequence == sequence ? &*found : nullptr;
}

std::vector<EventRef> EventQueue::pop_up_to(std::uint64_t sequence) {
  std::vector<EventRef> gone;
  while (!refs_.empty() && refs_.front().sequence <= sequence) {
    octets_ -= refs_.front().octets;
    if (refs_.front().memory) memory_octets_ -= refs_.front().octets;
    gone.push_back(std::move(refs_.front()));
    refs_.pop_front();
  }
  return gone;
}

std::vector<EventRef> EventQueue::stored(std::uint64_t cursor) {
  cursor_ = std::max(cursor_, cursor);
  return pop_up_to(cursor_);
}

std::vector<EventRef> EventQueue::spilled_up_to(std::uint64_t first, std::uint64_t sequence) {
  spilled_.push_back({first, sequence});
  return pop_up_to(sequence);
}

Result<SpilledEvents> write_spilled(
    Disk& disk, const std::vector<std::pair<std::uint64_t, SharedEvents>>& all) {
  const SpilledEvents file{all.front().first, all.back().first};
  std::string octets;
  base::ByteWriter writer(octets);
  for (const auto& [sequence, events] : all) {
    std::string small;
    append_events(small, *events);
    writer.u64(sequence);
    writer.u32(static_cast<std::uint32_t>(small.size()));
    writer.u32(base::crc32c(small));
    writer.octets(small);
  }
  // Under another name until it is whole, so that a torn file is never taken for a spilled one.
  const std::string part = file.path() + ".part";
  Result<std::unique_ptr<File>> out = disk.open(part, Open::Create);
  if (!out) return out.error();
  const std::string_view piece = octets;
  Result<void> result = (*out)->truncate(0);
  if (result) result = (*out)->write_at(0, {&piece, 1});
  if (result) result = (*out)->sync();
  if (result) result = disk.rename(part, file.path());
  if (result) result = disk.sync_directory("events");
  if (!result) return result.error();
  return file;
}

Result<EventBatch> read_spilled(Disk& disk, const SpilledEvents& file, std::uint64_t cursor,
                                std::size_t count_max) {
  Result<std::unique_ptr<File>> in = disk.open(file.path(), Open::Existing);
  if (!in) return in.error();
  const Result<std::uint64_t> size = (*in)->size();
  if (!size) return size.error();
  std::string octets(*size, '\0');
  const Result<std::size_t> got = (*in)->read_at(0, octets);
  if (!got) return got.error();
  EventBatch batch;
  base::ByteReader reader(std::string_view(octets).substr(0, *got));
  while (!reader.at_end() && batch.events.size() < count_max) {
    const std::uint64_t sequence = reader.u64();
    const std::uint32_t length = reader.u32();
    const std::uint32_t crc = reader.u32();
    const std::string_view small = reader.octets(length);
    const auto events = decode_events(small);
    if (!reader.ok() || base::crc32c(small) != crc || !events) {
      base::log::error("spool_events_damaged", {{"file", file.path()}, {"after", batch.cursor}});
      batch.cursor = file.last;
      return batch;
    }
    if (sequence <= cursor) continue;
    batch.cursor = sequence;
    batch.events.insert(batch.events.end(), events->begin(), events->end());
  }
  if (reader.at_end()) batch.cursor = file.last;
  return batch;
}

Result<std::vector<SpilledEvents>> list_spilled(Disk& disk) {
  std::vector<SpilledEvents> files;
  const Result<std::vector<std::string>> names = disk.list("events");
  if (!names) return names.error();
  for (const std::string& name : *names) {
    unsigned long long first = 0, last = 0;
    if (name.ends_with(".part")) {
      (void)disk.remove("events/" + name);
    } else if (std::sscanf(name.c_str(), "%16llx-%16llx.events", &first, &last) == 2) {
      files.push_back({first, last});
    }
  }
  std::sort(files.begin(), files.end(),
            [](const SpilledEvents& a, const SpilledEvents& b) { return a.first < b.first; });
  return files;
}

}  // namespace ekiden::spool
