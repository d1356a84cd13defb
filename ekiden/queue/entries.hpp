#pragma once

#include <cstdint>
#include <memory>

#include "ekiden/base/ids.hpp"
#include "ekiden/message/envelope.hpp"
#include "ekiden/queue/memory_budget.hpp"
#include "ekiden/queue/slab.hpp"
#include "ekiden/spool/spool.hpp"

namespace ekiden::queue {

/// What of a queued message lies in memory while there is room. Dropped and read back at will.
struct Resident {
  std::shared_ptr<const message::Meta> meta;
  spool::Body body;
  Charge charge;
};

/// Where a queued recipient is. Exactly one of these, always.
enum class Place : std::uint8_t {
  Free,        ///< the slot is empty
  Unresolved,  ///< in its domain's list: the plan of the domain is being found
  Ready,       ///< in a lane: due, waiting for a connection
  Waiting,     ///< in the wheel only: not due yet
  InFlight,    ///< given to a connection
  Settling,    ///< its outcome is on the way to the disk
  Held,        ///< until an operator releases it, or it expires
  Parked,      ///< due, in its domain's list: the domain is suspended
};
inline constexpr std::size_t kPlaces = 8;
const char* place_name(Place place);

/// Kept in spool::Progress::flags.
enum ProgressFlag : std::uint8_t {
  kHeld = 1,
  kDelayNoticeSent = 2,
  kMayBeDuplicate = 4,   ///< an earlier attempt was lost after the final dot
  kAlignmentJudged = 8,  ///< held for its alignment once; who releases it wants it to leave
  kBatchPaused = 16,     ///< held because its sender has paused its batch
};

/// One queued recipient, 72 octets.
struct RecipientEntry {
  std::uint64_t address_hash = 0;  ///< of the comparison key
  std::int64_t due_us = 0;         ///< next attempt; once Ready: since when
  std::int64_t expires_us = 0;
  std::uint32_t message = kNone;
  std::uint32_t index = 0;  ///< into the envelope's recipients
  std::uint32_t domain = kNone;
  std::uint32_t lane = kNone;
  std::uint32_t previous = kNone, next = kNone;  ///< in the list of its place
  std::uint32_t wheel_previous = kNone, wheel_next = kNone;
  std::uint32_t sibling = kNone;  ///< next recipient of the same message on this worker
  std::uint16_t wheel_slot = UINT16_MAX;
  std::uint16_t attempts = 0;
  std::uint16_t reply_code = 0;
  std::uint16_t source = 0;  ///< of the last attempt, as its dispatcher numbers them; 0: none
  Place place = Place::Free;
  std::uint8_t flags = 0;
};
static_assert(sizeof(RecipientEntry) <= 72, "design: a queued recipient costs at most 200 octets");

/// One message with recipients on this worker.
struct MessageEntry {
  base::MessageId id;
  std::shared_ptr<const Resident> resident;  ///< nothing: read it back when due
  std::int64_t received_us = 0;              ///< moves along when the clock is set back
  base::Steady queued{};                     ///< ArrivingMessage's
  std::uint32_t size = 0;                    ///< octets, saturated
  std::uint32_t klass = 0;
  std::uint32_t first = kNone;  ///< recipient
  std::uint32_t recipients = 0;
};
static_assert(sizeof(MessageEntry) <= 64, "design: a queued recipient costs at most 200 octets");

/// A doubly linked list of recipients through `previous` and `next`.
struct RecipientList {
  std::uint32_t head = kNone, tail = kNone;
  std::uint32_t size = 0;

  void push_back(Slab<RecipientEntry>& entries, std::uint32_t slot);
  void push_front(Slab<RecipientEntry>& entries, std::uint32_t slot);
  void remove(Slab<RecipientEntry>& entries, std::uint32_t slot);
};

}  // namespace ekiden::queue
