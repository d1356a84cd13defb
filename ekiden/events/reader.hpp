#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/events/codec.hpp"
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
  /// The reverse-path or the header's From, compared as a recipient is; "<>" is the null one.
  std::string sender;
  std::string tag;  ///< one of the message's
  std::string stream;
  std::string source, provider;
  std::string subject;  ///< a part of it, as people read it; letters of ASCII in either case
  std::string code;     ///< "550", "5" for all of that class, or an enhanced one, "5.1.1"
  std::optional<base::Time> from, until;  ///< [from, until)
  bool newest_first = false;
  std::size_t limit = 100;
  std::optional<Position> after;    ///< `next` of the page before
  std::size_t rows_max = SIZE_MAX;  ///< that one call looks at, Reader::kRowsMax at most
  bool with_transcripts = false;
};

/// Whether everything holds but the range of time, the order and the page.
bool matches(const Query& query, const Event& event);

/// What somebody who follows a part of the events asks for.
struct Following {
  std::string tenant;                     ///< empty: of all
  std::optional<base::Time> from, until;  ///< [from, until)
  /// The cheap look at an event, before it is decoded; empty: all are wanted.
  std::function<bool(const KeyView&)> wants;
  std::size_t events_max = 100;
  std::size_t octets_max =
      192 * 1024;             ///< of the stored form; the event that passes it is the last
  std::optional<Cursor> end;  ///< nothing past it
};

struct Followed {
  std::vector<Stored> events;
  bool has_more = false;  ///< it stopped at a limit
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

  /// The same for a part of the events, which are found by their tenant. The cursor also moves past
  /// what is not wanted. At most kFollowRowsMax rows are looked at.
  Result<Followed> follow(Cursor& cursor, const Following& following);
  static constexpr std::size_t kFollowRowsMax = 50'000;

  /// The cursor behind everything stored now.
  Result<Cursor> end();

  /// Shows every event of one day that the query asks for; false ends it.
  Result<void> visit_day(Day day, const Query& query,
                         const std::function<bool(const KeyView&)>& see);
  /// The days that there are, ascending.
  std::vector<Day> days() const;
  Result<DayReader*> reader_of(Day day);

 private:
  std::string directory_;
  struct Open;
  std::map<Day, std::unique_ptr<Open>> open_;
};

}  // namespace ekiden::events
