#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/events/day_file.hpp"
#include "ekiden/events/event.hpp"

namespace ekiden::events {

class DayReader;

/// Where one event stands in the store: never given to another.
struct Position {
  Day day = 0;
  std::int64_t seq = 0;

  friend auto operator<=>(const Position&, const Position&) = default;
};
/// "2026-11-22:1234"
std::string format_position(Position position);
std::optional<Position> parse_position(std::string_view text);

/// How far somebody has read, in each day's file: events of a day that is over still arrive, after
/// an outage for one. "2026-11-21:90,2026-11-22:17", or "" from the beginning.
using Cursor = std::map<Day, std::int64_t>;
std::string format_cursor(const Cursor& cursor);
std::optional<Cursor> parse_cursor(std::string_view text);

struct Stored {
  Position position;
  Event event;
};

/// Everything given must hold.
struct Query {
  std::optional<base::MessageId> message;
  std::string recipient;  ///< an address; its local part compares exactly, its domain by rule
  std::string domain;     ///< of the recipient
  std::string internet_message_id;
  std::string tenant;
  std::optional<Kind> kind;
  std::optional<base::Time> from, until;  ///< [from, until)
  bool newest_first = false;
  std::size_t limit = 100;
  std::optional<Position> after;  ///< `next` of the page before
};

struct Page {
  std::vector<Stored> events;    ///< in the order they were stored, or its reverse
  std::optional<Position> next;  ///< more may follow
};

/// Finds events, in this process or another, while the store is being written.
///
/// Sharing: one thread at a time. Every call blocks: the pool or a command only.
class Reader {
 public:
  /// One page.
  static constexpr std::size_t kLimitMax = 10'000;
  /// Rows that one call looks at; then the page ends early, with `next`.
  static constexpr std::size_t kRowsMax = 2'000'000;

  explicit Reader(std::string directory);
  ~Reader();

  /// Errors: Errc::BadQuery for a limit of zero; Errc::Io, Busy. A damaged file is skipped, with
  /// a log line.
  Result<Page> find(const Query& query);

  /// Events past the cursor, days in order, at most `limit`; the cursor moves behind them. Nothing
  /// new gives an empty list: ask again when there may be more.
  Result<std::vector<Stored>> follow(Cursor& cursor, std::size_t limit);

  /// The cursor behind everything stored now.
  Result<Cursor> end();

 private:
  Result<DayReader*> reader_of(Day day);
  std::vector<Day> days() const;

  std::string directory_;
  struct Open;
  std::map<Day, std::unique_ptr<Open>> open_;
};

}  // namespace ekiden::events
