#include "ekiden/spool/index.hpp"

#include <algorithm>

#include "ekiden/base/assert.hpp"

// Invariants:
// - table_.size() is a power of two and at most three quarters of it is taken.
// - a probe from an id's home meets the id before an empty slot.
// - open == recipients - number of final progress places.

namespace ekiden::spool {

Index::Index() : table_(1024, kNone) {}

Index::~Index() {
  for (std::uint32_t i = 0; i < used_; ++i)
    if (entry(i).recipients > 1) delete list_of(entry(i));
}

Index::List* Index::list_of(const Entry& entry) {
  return reinterpret_cast<List*>(entry.progress);
}

std::size_t Index::home(base::MessageId id) const {
  return std::hash<base::MessageId>{}(id) & (table_.size() - 1);
}

std::uint32_t Index::find(base::MessageId id) const {
  for (std::size_t i = home(id);; i = (i + 1) & (table_.size() - 1)) {
    const std::uint32_t found = table_[i];
    if (found == kNone || entry(found).id == id) return found;
  }
}

void Index::grow() {
  std::vector<std::uint32_t> old(table_.size() * 2, kNone);
  old.swap(table_);
  for (const std::uint32_t e : old) {
    if (e == kNone) continue;
    std::size_t i = home(entry(e).id);
    while (table_[i] != kNone) i = (i + 1) & (table_.size() - 1);
    table_[i] = e;
  }
}

std::uint32_t Index::insert(base::MessageId id, Place place, std::uint32_t recipients,
                            std::uint32_t octets) {
  EKIDEN_ASSERT(recipients > 0 && recipients <= (1u << 23), "checked before it is written");
  if ((size_ + 1) * 4 > table_.size() * 3) grow();
  std::uint32_t slot = free_;
  if (slot != kNone) {
    free_ = at(slot).next_free;
  } else {
    slot = used_++;
    if (slot / kChunk == chunks_.size()) chunks_.push_back(std::make_unique<Entry[]>(kChunk));
  }
  at(slot) = Entry{id, place, recipients, recipients, octets, kNone, 0};
  std::size_t i = home(id);
  while (table_[i] != kNone) i = (i + 1) & (table_.size() - 1);
  table_[i] = slot;
  ++size_;
  return slot;
}

void Index::move(std::uint32_t i, Place place, std::uint32_t octets) {
  at(i).place = place;
  at(i).octets = octets;
}

void Index::erase(std::uint32_t gone) {
  Entry& e = at(gone);
  const std::size_t mask = table_.size() - 1;
  std::size_t hole = home(e.id);
  while (table_[hole] != gone) hole = (hole + 1) & mask;
  // Linear probing without tombstones: whatever probed past the hole moves back into it.
  for (std::size_t i = (hole + 1) & mask; table_[i] != kNone; i = (i + 1) & mask) {
    const std::size_t wanted = home(entry(table_[i]).id);
    if (((i - wanted) & mask) >= ((i - hole) & mask)) {
      table_[hole] = table_[i];
      hole = i;
    }
  }
  table_[hole] = kNone;
  if (e.recipients > 1 && e.progress != 0) {
    list_octets_ -= list_of(e)->capacity() * sizeof(ProgressPlace);
    delete list_of(e);
  }
  e = Entry{};
  e.next_free = free_;
  free_ = gone;
  --size_;
}

ProgressPlace Index::progress(std::uint32_t i, std::uint32_t recipient) const {
  const Entry& e = entry(i);
  if (e.progress == 0) return {};
  if (e.recipients == 1) {
    return ProgressPlace(e.progress);
  }
  const List& list = *list_of(e);
  const auto found = std::lower_bound(
      list.begin(), list.end(), recipient,
      [](const ProgressPlace& p, std::uint32_t wanted) { return p.recipient() < wanted; });
  return found != list.end() && found->recipient() == recipient ? *found : ProgressPlace{};
}

ProgressPlace Index::set_progress(std::uint32_t i, ProgressPlace newest) {
  Entry& e = at(i);
  ProgressPlace old;
  if (e.recipients == 1) {
    old = progress(i, 0);
    e.progress = newest.bits();
  } else {
    if (e.progress == 0) e.progress = reinterpret_cast<std::uint64_t>(new List);
    List& list = *list_of(e);
    const auto found = std::lower_bound(
        list.begin(), list.end(), newest.recipient(),
        [](const ProgressPlace& p, std::uint32_t wanted) { return p.recipient() < wanted; });
    if (found != list.end() && found->recipient() == newest.recipient()) {
      old = *found;
      *found = newest;
    } else {
      list_octets_ -= list.capacity() * sizeof(ProgressPlace);
      list.insert(found, newest);
      list_octets_ += list.capacity() * sizeof(ProgressPlace);
    }
  }
  if (newest.is_final() && !old.is_final()) --e.open;
  if (!newest.is_final() && old.is_final()) ++e.open;
  return old;
}

void Index::each_progress(std::uint32_t i, const std::function<void(ProgressPlace)>& see) const {
  const Entry& e = entry(i);
  if (e.progress == 0) return;
  if (e.recipients == 1) {
    see(progress(i, 0));
    return;
  }
  for (const ProgressPlace& place : *list_of(e)) see(place);
}

void Index::each(const std::function<void(std::uint32_t)>& see) const {
  for (std::uint32_t i = 0; i < used_; ++i)
    if (entry(i).recipients > 0) see(i);
}

std::size_t Index::memory_octets() const {
  return chunks_.size() * kChunk * sizeof(Entry) + table_.capacity() * sizeof(std::uint32_t) +
         list_octets_;
}

}  // namespace ekiden::spool
