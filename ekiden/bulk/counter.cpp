#include "ekiden/bulk/counter.hpp"

#include <utility>

#include "ekiden/base/log.hpp"
#include "ekiden/bulk/job_id.hpp"

namespace ekiden::bulk {
namespace {

/// Where no job is concerned the place is written down so often: what is read again costs time
/// only.
constexpr base::Duration kSaveEvery = std::chrono::minutes(1);
constexpr base::Duration kPruneEvery = std::chrono::hours(1);
constexpr std::size_t kOctetsAtOnce = 8 << 20;

/// Where an event counts; null: nowhere.
std::uint64_t Counts::*counted(events::Kind kind, std::uint32_t attempt) {
  switch (kind) {
    case events::Kind::Accepted:
      return &Counts::accepted;
    case events::Kind::Rejected:
      return &Counts::rejected;
    case events::Kind::Delivered:
      return &Counts::delivered;
    case events::Kind::Bounced:
      return &Counts::bounced;
    case events::Kind::Expired:
      return &Counts::expired;
    case events::Kind::Suppressed:
      return &Counts::suppressed;
    case events::Kind::Cancelled:
      return &Counts::cancelled;
    case events::Kind::Deferred:
      return attempt == 1 ? &Counts::deferred : nullptr;
    case events::Kind::Complained:
      return &Counts::complained;
    case events::Kind::Unsubscribed:
      return &Counts::unsubscribed;
    case events::Kind::Opened:
      return &Counts::opened;
    default:
      return nullptr;
  }
}

}  // namespace

Result<Counter::Step> Counter::step(base::Time now) {
  if (!has_begun_) {
    const Result<std::string> position = store_.reader_position();
    if (!position) return position.error();
    const auto cursor = events::parse_cursor(*position);
    if (!cursor) base::log::error("job_cursor_unreadable", {{"position", *position}});
    cursor_ = cursor.value_or(events::Cursor());
    has_begun_ = true;
    saved_ = now;
  }
  if (now - pruned_ >= kPruneEvery) {
    pruned_ = now;
    if (const Result<void> pruned = store_.prune(now); !pruned) return pruned.error();
  }
  std::map<base::MessageId, Counts> counts;
  events::Cursor cursor = cursor_;
  events::Following following;
  following.events_max = kEventsAtOnce;
  following.octets_max = kOctetsAtOnce;
  // A row that an alias made several of counts by the first. Nothing is decoded: the keys say all.
  following.wants = [&counts](const events::KeyView& key) {
    if (!is_of_job(key.message) || row_of(key.message) == 0 || key.recipient_index != 0)
      return false;
    std::uint64_t Counts::*const count = counted(key.kind, key.attempt);
    if (count != nullptr) ++(counts[job_of(key.message)].*count);
    return false;
  };
  const Result<events::Followed> followed = reader_.follow(cursor, following);
  if (!followed) return followed.error();
  if (cursor == cursor_) return Step::CaughtUp;
  if (!counts.empty() || now - saved_ >= kSaveEvery) {
    const Result<void> taken = store_.take_counts(counts, events::format_cursor(cursor), now);
    if (!taken) return taken.error();
    saved_ = now;
  }
  cursor_ = std::move(cursor);
  return followed->has_more ? Step::More : Step::CaughtUp;
}

}  // namespace ekiden::bulk
