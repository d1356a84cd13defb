#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "ekiden/queue/entries.hpp"

namespace ekiden::queue {

/// Message id → slot: open addressing over 32-bit slots, the ids themselves lie in the entries.
/// 5 to 10 octets a message.
class IdIndex {
 public:
  std::uint32_t find(base::MessageId id, const Slab<MessageEntry>& messages) const {
    if (table_.empty()) return kNone;
    for (std::size_t at = home(id);; at = (at + 1) & mask())
      if (table_[at] == kNone || messages[table_[at]].id == id) return table_[at];
  }

  void insert(std::uint32_t slot, const Slab<MessageEntry>& messages) {
    if ((size_ + 1) * 10 > table_.size() * 8) grow(messages);
    place(slot, messages[slot].id);
    ++size_;
  }

  /// Before the entry itself is given back.
  void erase(std::uint32_t slot, const Slab<MessageEntry>& messages) {
    std::size_t at = home(messages[slot].id);
    while (table_[at] != slot) at = (at + 1) & mask();
    // Backward shift: whoever was pushed past the hole moves into it, so no tombstones.
    for (std::size_t next = (at + 1) & mask(); table_[next] != kNone; next = (next + 1) & mask()) {
      const std::size_t wanted = home(messages[table_[next]].id);
      if (((next - wanted) & mask()) >= ((next - at) & mask())) {
        table_[at] = table_[next];
        at = next;
      }
    }
    table_[at] = kNone;
    --size_;
  }

 private:
  std::size_t mask() const { return table_.size() - 1; }
  std::size_t home(base::MessageId id) const {
    return (std::hash<base::MessageId>{}(id)*0x9e3779b97f4a7c15ULL >> 20) & mask();
  }
  void place(std::uint32_t slot, base::MessageId id) {
    std::size_t at = home(id);
    while (table_[at] != kNone) at = (at + 1) & mask();
    table_[at] = slot;
  }
  void grow(const Slab<MessageEntry>& messages) {
    std::vector<std::uint32_t> old(std::max<std::size_t>(64, table_.size() * 2), kNone);
    old.swap(table_);
    for (const std::uint32_t slot : old)
      if (slot != kNone) place(slot, messages[slot].id);
  }

  std::vector<std::uint32_t> table_;
  std::size_t size_ = 0;
};

}  // namespace ekiden::queue
