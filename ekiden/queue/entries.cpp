#include "ekiden/queue/entries.hpp"

namespace ekiden::queue {

const char* place_name(Place place) {
  switch (place) {
    case Place::Free:
      return "free";
    case Place::Unresolved:
      return "resolving";
    case Place::Ready:
      return "ready";
    case Place::Waiting:
      return "waiting";
    case Place::InFlight:
      return "in-flight";
    case Place::Settling:
      return "settling";
    case Place::Held:
      return "held";
    case Place::Parked:
      return "parked";
  }
  return "free";
}

void RecipientList::push_back(Slab<RecipientEntry>& entries, std::uint32_t slot) {
  RecipientEntry& entry = entries[slot];
  entry.previous = tail;
  entry.next = kNone;
  (tail == kNone ? head : entries[tail].next) = slot;
  tail = slot;
  ++size;
}

void RecipientList::push_front(Slab<RecipientEntry>& entries, std::uint32_t slot) {
  RecipientEntry& entry = entries[slot];
  entry.next = head;
  entry.previous = kNone;
  (head == kNone ? tail : entries[head].previous) = slot;
  head = slot;
  ++size;
}

void RecipientList::remove(Slab<RecipientEntry>& entries, std::uint32_t slot) {
  RecipientEntry& entry = entries[slot];
  (entry.previous == kNone ? head : entries[entry.previous].next) = entry.next;
  (entry.next == kNone ? tail : entries[entry.next].previous) = entry.previous;
  entry.previous = entry.next = kNone;
  --size;
}

}  // namespace ekiden::queue
