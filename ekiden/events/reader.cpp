#include "ekiden/events/reader.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "ekiden/base/log.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/events/day_reader.hpp"
#include "ekiden/events/subject_column.hpp"

namespace ekiden::events {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kOpenFilesMax = 8;
constexpr std::size_t kDaysMax = 10'000;  // of one cursor
constexpr std::string_view kNullSender = "<>";

std::optional<std::int64_t> parse_number(std::string_view text) {
  std::int64_t number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() ||
      number < 0) {
    return std::nullopt;
  }
  return number;
}

/// A whole code, or a class.
std::optional<std::uint16_t> whole_code(const Query& query, const DayReader& file) {
  const auto number = base::parse_u64(query.code);
  const bool is_class = query.code.size() == 1 && file.has_counts() && number > 3;
  if (!number || (query.code.size() != 3 && !is_class)) return std::nullopt;
  return static_cast<std::uint16_t>(*number);
}

/// The key of the query that is found with the fewest rows, of those that the file has.
std::optional<std::int64_t> hash_of(const Query& query, const DayReader& file, bool& is_of_runs) {
  is_of_runs = false;
  if (query.message) return message_hash(*query.message);
  if (!query.internet_message_id.empty()) {
    return key_hash(KeyKind::InternetMessageId, query.internet_message_id);
  }
  if (!query.recipient.empty()) {
    return key_hash(KeyKind::Recipient, recipient_key(query.recipient));
  }
  if (!query.sender.empty() && query.sender != kNullSender && file.has(KeyKind::Sender)) {
    return key_hash(KeyKind::Sender, recipient_key(query.sender));
  }
  if (!query.tag.empty() && file.has(KeyKind::Tag)) return key_hash(KeyKind::Tag, query.tag);
  const auto code = whole_code(query, file);
  const bool is_class = code && *code < 10;
  if (code && (is_class || is_reply_code_indexed(*code)) && file.has(KeyKind::ReplyCode)) {
    return reply_code_hash(*code);
  }
  const bool is_enhanced = query.code.find('.') != std::string::npos && query.code.front() != '2';
  if (is_enhanced && file.has(KeyKind::EnhancedCode)) {
    return key_hash(KeyKind::EnhancedCode, query.code);
  }
  // The list of subjects is looked through faster than everything below is.
  if (!query.subject.empty() && file.has_counts()) return std::nullopt;
  if (!query.domain.empty()) return key_hash(KeyKind::Domain, domain_key(query.domain));
  if (query.kind && is_kind_indexed(*query.kind)) return kind_hash(*query.kind);
  const std::pair<KeyKind, const std::string*> of_runs[] = {{KeyKind::Source, &query.source},
                                                            {KeyKind::Provider, &query.provider},
                                                            {KeyKind::Stream, &query.stream}};
  for (const auto& [kind, name] : of_runs) {
    if (name->empty() || !file.has(kind) || (kind == KeyKind::Stream && !query.tenant.empty())) {
      continue;
    }
    is_of_runs = true;
    return key_hash(kind, *name);
  }
  if (!query.tenant.empty()) return key_hash(KeyKind::Tenant, query.tenant);
  return std::nullopt;
}

/// Checks rows against a query, the cheap comparisons first.
class Filter {
 public:
  explicit Filter(const Query& query) : query_(query), subject_(subject_key(query.subject)) {}

  bool accepts(const KeyView& keys) const {
    if (query_.from && keys.time < *query_.from) return false;
    if (query_.until && keys.time >= *query_.until) return false;
    if (query_.message && keys.message != *query_.message) return false;
    if (query_.kind && keys.kind != *query_.kind) return false;
    if (!query_.stream.empty() && keys.stream != query_.stream) return false;
    if (!query_.sender.empty() &&
        (query_.sender == kNullSender ? !keys.sender.empty()
                                      : !is_same_recipient(keys.sender, query_.sender) &&
                                            !is_same_recipient(keys.header_from, query_.sender))) {
      return false;
    }
    if (!query_.tenant.empty() && keys.tenant != query_.tenant) return false;
    if (!query_.internet_message_id.empty() &&
        keys.internet_message_id != query_.internet_message_id) {
      return false;
    }
    if (!query_.recipient.empty() && !is_same_recipient(keys.recipient, query_.recipient)) {
      return false;
    }
    if (!query_.domain.empty()) {
      const std::size_t at = keys.recipient.rfind('@');
      if (at == std::string_view::npos) return false;
      if (!is_same_domain(keys.recipient.substr(at + 1), query_.domain)) return false;
    }
    return true;
  }

  /// What the keys do not tell.
  bool accepts_rest(const Event& event) const {
    if (!query_.source.empty() && event.source != query_.source) return false;
    if (!query_.provider.empty() && event.provider != query_.provider) return false;
    if (!query_.tag.empty() &&
        std::find(event.tags.begin(), event.tags.end(), query_.tag) == event.tags.end()) {
      return false;
    }
    if (!query_.code.empty()) {
      const std::string code = std::to_string(event.reply_code);
      const bool is_enhanced = query_.code.find('.') != std::string::npos;
      const bool fits = is_enhanced ? event.enhanced_code == query_.code
                                    : event.reply_code != 0 && code.starts_with(query_.code);
      if (!fits) return false;
    }
    return subject_.empty() || subject_key(event.subject).find(subject_) != std::string::npos;
  }

  const std::string& subject() const { return subject_; }

 private:
  const Query& query_;
  std::string subject_;
};

}  // namespace

bool matches(const Query& query, const Event& event) {
  KeyView keys;
  keys.time = event.time;
  keys.kind = event.kind;
  keys.message = event.message;
  keys.recipient = event.recipient;
  keys.sender = event.sender;
  keys.header_from = event.header_from;
  keys.tenant = event.tenant;
  keys.stream = event.stream;
  keys.internet_message_id = event.internet_message_id;
  const Filter filter(query);
  return filter.accepts(keys) && filter.accepts_rest(event);
}

std::string format_position(Position position) {
  const std::string name = file_name_of(position.day);
  return name.substr(0, name.size() - 3) + ":" + std::to_string(position.seq);
}

std::optional<Position> parse_position(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const std::optional<Day> day = day_of_file_name(std::string(text.substr(0, colon)) + ".db");
  const std::optional<std::int64_t> seq = parse_number(text.substr(colon + 1));
  if (!day || !seq) return std::nullopt;
  return Position{*day, *seq};
}

std::string format_cursor(const Cursor& cursor) {
  std::string text;
  for (const auto& [day, seq] : cursor) {
    if (!text.empty()) text += ',';
    text += format_position({day, seq});
  }
  return text;
}

std::optional<Cursor> parse_cursor(std::string_view text) {
  Cursor cursor;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    const std::optional<Position> position = parse_position(text.substr(0, comma));
    if (!position || cursor.size() >= kDaysMax) return std::nullopt;
    cursor[position->day] = position->seq;
    if (comma == std::string_view::npos) break;
    text.remove_prefix(comma + 1);
    if (text.empty()) return std::nullopt;
  }
  return cursor;
}

/// A file that was moved aside and begun anew has the same name and another inode.
struct Reader::Open {
  std::unique_ptr<DayReader> reader;
  std::uint64_t inode = 0;
};

Reader::Reader(std::string directory) : directory_(std::move(directory)) {}
Reader::~Reader() = default;

std::vector<Day> Reader::days() const {
  std::vector<Day> days;
  std::error_code error;
  for (fs::directory_iterator at(directory_, error), end; !error && at != end;
       at.increment(error)) {
    if (const auto day = day_of_file_name(at->path().filename().string())) days.push_back(*day);
  }
  std::sort(days.begin(), days.end());
  return days;
}

Result<DayReader*> Reader::reader_of(Day day) {
  const std::string path = directory_ + "/" + file_name_of(day);
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) {
    open_.erase(day);
    return Errc::Io;
  }
  const auto found = open_.find(day);
  if (found != open_.end() && found->second->inode == status.st_ino) {
    return found->second->reader.get();
  }
  if (found != open_.end()) open_.erase(found);
  Result<std::unique_ptr<DayReader>> reader = DayReader::open(path);
  if (!reader) {
    base::log::warning("event_file_skipped",
                       {{"file", path}, {"reason", reader.error().message()}});
    return reader.error();
  }
  if (open_.size() >= kOpenFilesMax) open_.erase(open_.begin());
  auto opened = std::make_unique<Open>(Open{std::move(*reader), status.st_ino});
  return open_.emplace(day, std::move(opened)).first->second->reader.get();
}

Result<Page> Reader::find(const Query& query) {
  if (query.limit == 0) return Errc::BadQuery;
  const std::size_t limit = std::min(query.limit, kLimitMax);
  const std::size_t rows_max = std::min(query.rows_max, kRowsMax);
  std::vector<Day> days = this->days();
  if (query.newest_first) std::reverse(days.begin(), days.end());
  DayReader::Range range;
  range.newest_first = query.newest_first;
  if (query.from) range.from_us = base::to_unix_us(*query.from);
  if (query.until) range.until_us = base::to_unix_us(*query.until);
  const Filter filter(query);

  Page page;
  std::size_t rows = 0;
  for (const Day day : days) {
    if (query.from && day < day_of(*query.from)) continue;
    if (query.until && day > day_of(*query.until)) continue;
    range.after.reset();
    if (query.after) {
      if (query.newest_first ? day > query.after->day : day < query.after->day) continue;
      if (day == query.after->day) range.after = query.after->seq;
    }
    const Result<DayReader*> reader = reader_of(day);
    if (!reader) continue;
    range.hash = hash_of(query, **reader, range.is_of_runs);
    range.subject = range.hash ? std::string() : filter.subject();
    const Result<void> read =
        (*reader)->read_range(range, [&](std::int64_t seq, std::string_view octets) {
          const Position here{day, seq};
          const Result<KeyView> keys = read_keys(octets);
          if (keys && filter.accepts(*keys)) {
            Result<Event> event = decode_event(octets);
            if (event && filter.accepts_rest(*event)) {
              page.events.push_back({here, std::move(*event)});
            }
          }
          if (page.events.size() < limit && ++rows < rows_max) return true;
          page.next = here;
          return false;
        });
    if (!read) {
      open_.erase(day);
      if (read.error() != make_error_code(Errc::Corrupt)) return read.error();
      base::log::warning("event_file_skipped",
                         {{"file", file_name_of(day)}, {"reason", read.error().message()}});
      continue;
    }
    if (query.with_transcripts) {
      for (Stored& stored : page.events) {
        if (stored.position.day != day) continue;
        Result<std::string> transcript = (*reader)->transcript(stored.position.seq);
        if (transcript) stored.event.transcript = std::move(*transcript);
      }
    }
    if (page.next) break;
  }
  return page;
}

Result<void> Reader::visit_day(Day day, const Query& query,
                               const std::function<bool(const KeyView&)>& see) {
  const Result<DayReader*> reader = reader_of(day);
  if (!reader) return reader.error();
  const Filter filter(query);
  DayReader::Range range;
  if (query.from) range.from_us = base::to_unix_us(*query.from);
  if (query.until) range.until_us = base::to_unix_us(*query.until);
  range.hash = hash_of(query, **reader, range.is_of_runs);
  range.subject = range.hash ? std::string() : filter.subject();
  const bool needs_event = !query.code.empty() || !query.subject.empty() || !query.tag.empty() ||
                           !query.source.empty() || !query.provider.empty();
  Result<void> read = (*reader)->read_range(range, [&](std::int64_t, std::string_view octets) {
    const Result<KeyView> keys = read_keys(octets);
    if (!keys || !filter.accepts(*keys)) return true;
    if (needs_event) {
      const Result<Event> event = decode_event(octets);
      if (!event || !filter.accepts_rest(*event)) return true;
    }
    return see(*keys);
  });
  if (!read) open_.erase(day);
  return read;
}

Result<std::vector<Stored>> Reader::follow(Cursor& cursor, std::size_t limit) {
  if (limit == 0) return Errc::BadQuery;
  limit = std::min(limit, kLimitMax);
  const std::vector<Day> days = this->days();
  // Days whose files are gone need no place in the cursor.
  std::erase_if(cursor, [&](const auto& place) {
    return !std::binary_search(days.begin(), days.end(), place.first);
  });
  std::vector<Stored> events;
  for (const Day day : days) {
    const Result<DayReader*> reader = reader_of(day);
    if (!reader) continue;
    DayReader::Range range;
    if (const auto place = cursor.find(day); place != cursor.end()) range.after = place->second;
    const Result<void> read =
        (*reader)->read_range(range, [&](std::int64_t seq, std::string_view octets) {
          cursor[day] = seq;
          if (Result<Event> event = decode_event(octets)) {
            events.push_back({{day, seq}, std::move(*event)});
          }
          return events.size() < limit;
        });
    if (!read) {
      open_.erase(day);
      if (read.error() != make_error_code(Errc::Corrupt)) return read.error();
    }
    if (events.size() >= limit) break;
  }
  return events;
}

Result<Followed> Reader::follow(Cursor& cursor, const Following& following) {
  const std::vector<Day> days = this->days();
  std::erase_if(cursor, [&](const auto& place) {
    return !std::binary_search(days.begin(), days.end(), place.first);
  });
  DayReader::Range range;
  if (!following.tenant.empty()) range.hash = key_hash(KeyKind::Tenant, following.tenant);
  if (following.from) range.from_us = base::to_unix_us(*following.from);
  if (following.until) range.until_us = base::to_unix_us(*following.until);
  Followed followed;
  std::size_t rows = 0, octets_read = 0;
  for (const Day day : days) {
    if (following.from && day < day_of(*following.from)) continue;
    if (following.until && day > day_of(*following.until)) continue;
    std::int64_t end = INT64_MAX;
    if (following.end) {
      const auto place = following.end->find(day);
      if (place == following.end->end()) continue;
      end = place->second;
    }
    const auto place = cursor.find(day);
    range.after = place == cursor.end() ? std::nullopt : std::optional(place->second);
    if (range.after && *range.after >= end) continue;
    const Result<DayReader*> reader = reader_of(day);
    if (!reader) continue;
    bool is_whole_day = true;
    const Result<void> read =
        (*reader)->read_range(range, [&](std::int64_t seq, std::string_view octets) {
          if (seq > end) return false;
          cursor[day] = seq;
          const Result<KeyView> keys = read_keys(octets);
          const bool is_in_time = keys && (!following.from || keys->time >= *following.from) &&
                                  (!following.until || keys->time < *following.until);
          if (is_in_time && (following.tenant.empty() || keys->tenant == following.tenant) &&
              (!following.wants || following.wants(*keys))) {
            if (Result<Event> event = decode_event(octets)) {
              followed.events.push_back({{day, seq}, std::move(*event)});
              octets_read += octets.size();
            }
          }
          is_whole_day = followed.events.size() < following.events_max &&
                         octets_read < following.octets_max && ++rows < kFollowRowsMax;
          return is_whole_day;
        });
    if (!read) {
      open_.erase(day);
      if (read.error() != make_error_code(Errc::Corrupt)) return read.error();
      continue;
    }
    if (!is_whole_day) {
      followed.has_more = true;
      break;
    }
    // What has no key in common with the question is passed, too.
    const std::int64_t passed = std::min(end, (*reader)->last_looked_at());
    if (passed > 0) cursor[day] = std::max(cursor[day], passed);
  }
  return followed;
}

Result<Cursor> Reader::end() {
  Cursor cursor;
  for (const Day day : days()) {
    const Result<DayReader*> reader = reader_of(day);
    if (!reader) continue;
    const Result<std::int64_t> last = (*reader)->last_seq();
    if (!last) return last.error();
    if (*last > 0) cursor[day] = *last;
  }
  return cursor;
}

}  // namespace ekiden::events
