#include "ekiden/events/erasure.hpp"

#include <algorithm>
#include <filesystem>
#include <map>
#include <tuple>
#include <vector>

#include "ekiden/base/log.hpp"
#include "ekiden/events/codec.hpp"
#include "ekiden/events/day_file.hpp"
#include "ekiden/events/day_reader.hpp"
#include "ekiden/events/key.hpp"
#include "ekiden/events/subject_column.hpp"
#include "ekiden/events/tally.hpp"

namespace ekiden::events {
namespace {

namespace fs = std::filesystem;

/// Events in one transaction: the writer waits no longer than for these.
constexpr std::size_t kAtOnce = 500;

Result<std::vector<std::int64_t>> find_events(const std::string& path, const std::string& recipient,
                                              std::int64_t hash) {
  const Result<std::unique_ptr<DayReader>> reader = DayReader::open(path);
  if (!reader) return reader.error();
  std::vector<std::int64_t> found;
  DayReader::Range range;
  range.hash = hash;
  const Result<void> read =
      (*reader)->read_range(range, [&](std::int64_t seq, std::string_view octets) {
        const Result<KeyView> keys = read_keys(octets);
        if (keys && is_same_recipient(keys->recipient, recipient)) found.push_back(seq);
        return true;
      });
  if (!read) return read.error();
  return found;
}

/// One day's file, opened beside its writer.
class Eraser {
 public:
  static Result<Eraser> open(const std::string& path) {
    Result<Database> database = Database::open(path, Database::Access::ReadWrite);
    if (!database) return database.error();
    Eraser eraser(std::move(*database));
    // Freed pages are overwritten, and what they held does not stay in the log (see `finish`).
    const Result<void> set =
        eraser.database_.execute("PRAGMA secure_delete=ON; PRAGMA synchronous=FULL;");
    if (!set) return set.error();
    const std::pair<Statement*, const char*> statements[] = {
        {&eraser.select_, "SELECT event FROM events WHERE seq=?1"},
        {&eraser.update_, "UPDATE events SET event=?2 WHERE seq=?1"},
        {&eraser.slices_, "SELECT first FROM slices ORDER BY first"},
        // The chunk that begins below the hash may end with it; those that begin with it follow.
        {&eraser.chunks_,
         "SELECT hash, part, entries FROM keys WHERE slice=?1 AND hash>=ifnull((SELECT hash FROM "
         "keys WHERE slice=?1 AND hash<?2 ORDER BY hash DESC, part DESC LIMIT 1), ?2) AND "
         "hash<=?2 ORDER BY hash, part"},
        {&eraser.put_chunk_, "UPDATE keys SET entries=?4 WHERE slice=?1 AND hash=?2 AND part=?3"},
        {&eraser.drop_chunk_, "DELETE FROM keys WHERE slice=?1 AND hash=?2 AND part=?3"},
    };
    const std::pair<Statement*, const char*> newer[] = {
        {&eraser.drop_transcript_, "DELETE FROM transcripts WHERE seq=?1"},
        {&eraser.subjects_,
         "SELECT first, entries FROM subjects WHERE first<=?1 ORDER BY first DESC LIMIT 1"},
        {&eraser.put_subjects_, "UPDATE subjects SET entries=?2 WHERE first=?1"},
        {&eraser.indexed_, "SELECT ifnull(max(first+count), 0) FROM slices WHERE level>0"},
        {&eraser.counted_,
         "SELECT n.id, sum(k0+k1+k2+k3+k4+k5+k6+k7+k8+k9+k10+k11+k12+k13+k14+k15) FROM names n "
         "JOIN counts c ON c.name=n.id WHERE tenant=?1 AND dimension=?2 AND n.name=?3"},
        {&eraser.rename_, "UPDATE names SET name=?2 WHERE id=?1"},
    };
    for (const auto& [statement, sql] : statements) {
      Result<Statement> prepared = eraser.database_.prepare(sql);
      if (!prepared) return prepared.error();
      *statement = std::move(*prepared);
    }
    const Result<std::int64_t> layout = eraser.database_.integer("PRAGMA user_version");
    if (!layout) return layout.error();
    eraser.has_counts_ = *layout >= kLayoutCounts;
    for (const auto& [statement, sql] : newer) {
      if (!eraser.has_counts_) break;
      Result<Statement> prepared = eraser.database_.prepare(sql);
      if (!prepared) return prepared.error();
      *statement = std::move(*prepared);
    }
    return eraser;
  }

  Result<void> erase_events(const std::vector<std::int64_t>& events) {
    for (std::size_t at = 0; at < events.size(); at += kAtOnce) {
      const std::size_t end = std::min(events.size(), at + kAtOnce);
      const Result<void> done = in_transaction([&]() -> Result<void> {
        for (std::size_t i = at; i < end; ++i) {
          if (const Result<void> erased = erase_event(events[i]); !erased) return erased;
        }
        return {};
      });
      if (!done) return done;
    }
    return {};
  }

  /// Names in statistics that nobody but the person stands behind: a domain of one's own, a tag
  /// with an address in it. They are counted on, under a name that says nothing.
  Result<void> erase_names() {
    return in_transaction([&]() -> Result<void> {
      for (const auto& [name, events] : names_) {
        const auto& [tenant, dimension, text] = name;
        counted_.bind_blob(1, tenant).bind(2, static_cast<int>(dimension)).bind_blob(3, text);
        int code = counted_.step();
        const std::int64_t id = code == SQLITE_ROW ? counted_.integer(0) : 0;
        const std::int64_t counted = code == SQLITE_ROW ? counted_.integer(1) : 0;
        counted_.reset();
        if (code != SQLITE_ROW && code != SQLITE_DONE) return error_of(code);
        if (id == 0 || counted != events) continue;
        const std::string nobody = "erased-" + std::to_string(id);
        rename_.bind(1, id).bind_blob(2, nobody);
        if (const Result<void> done = rename_.run(); !done) return done;
      }
      return {};
    });
  }

  Result<void> erase_entries(std::int64_t hash) {
    return in_transaction([&]() -> Result<void> {
      std::vector<std::int64_t> slices;
      int code;
      while ((code = slices_.step()) == SQLITE_ROW) slices.push_back(slices_.integer(0));
      slices_.reset();
      if (code != SQLITE_DONE) return error_of(code);
      for (const std::int64_t slice : slices) {
        if (const Result<void> erased = erase_in_slice(slice, hash); !erased) return erased;
      }
      return {};
    });
  }

  /// What was overwritten leaves the log, as far as nobody reads it just now.
  void finish() { (void)database_.execute("PRAGMA wal_checkpoint(TRUNCATE)"); }

 private:
  explicit Eraser(Database database) : database_(std::move(database)) {}

  template <class Work>
  Result<void> in_transaction(Work work) {
    if (const Result<void> begun = database_.execute("BEGIN IMMEDIATE"); !begun) return begun;
    Result<void> done = work();
    if (done) done = database_.execute("COMMIT");
    if (!done) (void)database_.execute("ROLLBACK");
    return done;
  }

  Result<void> erase_event(std::int64_t seq) {
    select_.bind(1, seq);
    const int code = select_.step();
    std::string octets;
    if (code == SQLITE_ROW) octets = select_.blob(0);
    select_.reset();
    if (code != SQLITE_ROW) return error_of(code);
    Result<Event> event = decode_event(octets);
    if (!event) return event.error();
    if (has_counts_) {
      if (const Result<void> done = note_names(seq, *event); !done) return done;
      if (const Result<void> done = erase_words(seq); !done) return done;
    }
    octets = encode_event(without_person(std::move(*event)));
    update_.bind(1, seq).bind_blob(2, octets);
    return update_.run();
  }

  /// What the event was counted under, where it has been counted already.
  Result<void> note_names(std::int64_t seq, const Event& event) {
    const int code = indexed_.step();
    const std::int64_t end = code == SQLITE_ROW ? indexed_.integer(0) : 0;
    indexed_.reset();
    if (code != SQLITE_ROW) return error_of(code);
    if (seq >= end) return {};
    const std::size_t at = event.recipient.rfind('@');
    if (at != std::string::npos) {
      ++names_[{event.tenant, Dimension::Domain, domain_key(event.recipient.substr(at + 1))}];
    }
    for (const std::string& tag : event.tags) ++names_[{event.tenant, Dimension::Tag, tag}];
    return {};
  }

  /// Its transcript, and its subject where subjects are looked through.
  Result<void> erase_words(std::int64_t seq) {
    drop_transcript_.bind(1, seq);
    if (const Result<void> done = drop_transcript_.run(); !done) return done;
    subjects_.bind(1, seq);
    const int code = subjects_.step();
    const std::int64_t first = code == SQLITE_ROW ? subjects_.integer(0) : 0;
    const std::string entries(code == SQLITE_ROW ? subjects_.blob(1) : std::string_view());
    subjects_.reset();
    if (code != SQLITE_ROW && code != SQLITE_DONE) return error_of(code);
    if (entries.empty() || seq - first >= static_cast<std::int64_t>(kSliceEvents)) return {};
    const std::string kept = without_events(entries, {static_cast<std::uint32_t>(seq - first)});
    put_subjects_.bind(1, first).bind_blob(2, kept);
    return put_subjects_.run();
  }

  Result<void> erase_in_slice(std::int64_t slice, std::int64_t hash) {
    struct Chunk {
      std::int64_t hash, part;
      std::string entries;
    };
    std::vector<Chunk> chunks;
    chunks_.bind(1, slice).bind(2, hash);
    int code;
    while ((code = chunks_.step()) == SQLITE_ROW) {
      chunks.push_back({chunks_.integer(0), chunks_.integer(1), std::string(chunks_.blob(2))});
    }
    chunks_.reset();
    if (code != SQLITE_DONE) return error_of(code);
    for (const Chunk& chunk : chunks) {
      std::string kept;
      for (std::size_t i = 0; i < chunk.entries.size() / kEntryOctets; ++i) {
        const Entry entry = entry_at(chunk.entries, i);
        if (entry.hash != hash) pack_entry(entry, kept);
      }
      if (kept.size() == chunk.entries.size()) continue;
      // A chunk keeps the hash that it is filed under: still not above its first entry.
      Statement& change = kept.empty() ? drop_chunk_ : put_chunk_;
      change.bind(1, slice).bind(2, chunk.hash).bind(3, chunk.part);
      if (!kept.empty()) change.bind_blob(4, kept);
      if (const Result<void> done = change.run(); !done) return done;
    }
    return {};
  }

  Database database_;
  Statement select_, update_, slices_, chunks_, put_chunk_, drop_chunk_;
  bool has_counts_ = false;
  Statement drop_transcript_, subjects_, put_subjects_, indexed_, counted_, rename_;
  /// What erased events were counted under: tenant, dimension, name.
  std::map<std::tuple<std::string, Dimension, std::string>, std::int64_t> names_;
};

}  // namespace

Event without_person(Event event) {
  for (std::string* field :
       {&event.recipient, &event.sender, &event.header_from, &event.subject, &event.reply,
        &event.client_address, &event.identity, &event.internet_message_id, &event.metadata}) {
    field->clear();
  }
  event.tags.clear();
  event.transcript.clear();
  event.detail = "erased";
  return event;
}

Result<std::uint64_t> erase_recipient(const std::string& directory, const std::string& recipient) {
  const std::int64_t hash = key_hash(KeyKind::Recipient, recipient_key(recipient));
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator at(directory, error), end; !error && at != end; at.increment(error)) {
    if (day_of_file_name(at->path().filename().string())) files.push_back(at->path());
  }
  std::sort(files.begin(), files.end());
  std::uint64_t erased = 0;
  for (const fs::path& file : files) {
    const auto events = find_events(file.string(), recipient, hash);
    if (!events && events.error() == make_error_code(Errc::Corrupt)) {
      base::log::warning("event_file_skipped", {{"file", file.string()}, {"reason", "damaged"}});
      continue;
    }
    if (!events) return events.error();
    Result<Eraser> eraser = Eraser::open(file.string());
    if (!eraser) return eraser.error();
    if (const Result<void> done = eraser->erase_events(*events); !done) return done.error();
    // Also where no event is left: an earlier run may have met events without an index.
    if (const Result<void> done = eraser->erase_entries(hash); !done) return done.error();
    if (const Result<void> done = eraser->erase_names(); !done) return done.error();
    eraser->finish();
    erased += events->size();
  }
  return erased;
}

}  // namespace ekiden::events
