#include "ekiden/spool/reader.hpp"

#include <algorithm>
#include <map>

#include "ekiden/base/checksum.hpp"
#include "ekiden/base/log.hpp"
#include "ekiden/spool/large_file.hpp"
#include "ekiden/spool/quarantine_file.hpp"

namespace ekiden::spool {
namespace {

/// A record may move while we read it: look again this often before believing it is damaged.
constexpr int kTries = 3;

/// Errors: Io; Corrupt when the file ends before, with what there was in `into`.
Result<void> read_exactly(File& file, std::uint32_t offset, std::uint32_t length,
                          std::string& into) {
  into.resize(length);
  const Result<std::size_t> got = file.read_at(offset, into);
  if (!got) return got.error();
  into.resize(*got);
  if (*got != length) return Errc::Corrupt;
  return {};
}

bool is_corrupt(const Result<void>& result) {
  return !result && result.error() == make_error_code(Errc::Corrupt);
}

}  // namespace

Result<void> read_record(File& file, std::uint64_t epoch, std::uint32_t header, WithBody body,
                         RecordData& into) {
  std::string head;
  Result<void> read = read_exactly(file, header * kHeaderOctets, kHeaderOctets, head);
  if (!read) return read;
  const auto decoded = decode_record_header(head, epoch);
  if (!decoded) return Errc::Corrupt;
  into.header = *decoded;
  if (decoded->small_length > kSegmentOctets || decoded->body_length > kSegmentOctets)
    return Errc::Corrupt;
  // A damaged small part does not keep us from reading the body: the quarantine wants both.
  read = read_exactly(file, decoded->small_offset, decoded->small_length, into.small);
  if (!read && !is_corrupt(read)) return read;
  bool is_right = read && base::crc32c(into.small) == decoded->small_crc;
  if (body == WithBody::Yes && decoded->body_length > 0) {
    read = read_exactly(file, decoded->body_offset, decoded->body_length, into.body);
    if (!read && !is_corrupt(read)) return read;
    is_right = is_right && read && base::crc32c(into.body) == decoded->body_crc;
  }
  if (!is_right) return Errc::Corrupt;
  return {};
}

Result<void> Reader::keep_damaged(base::MessageId id, std::uint32_t recipients,
                                  const RecordData& data, const char* reason) {
  Quarantined item;
  item.name = base::format_message_id(id) + ".msg";
  item.id = id;
  item.recipients = recipients;
  item.reason = reason;
  {
    const std::scoped_lock lock(state_.mutex);
    const std::uint32_t at = state_.index.find(id);
    if (at != Index::kNone)
      state_.index.each_progress(at, [&item](ProgressPlace p) {
        if (p.is_final()) item.settled.push_back(p.recipient());
      });
  }
  // An address with one wrong bit is another address: nobody may be written to by a damaged one.
  const bool is_small_whole = base::crc32c(data.small) == data.header.small_crc;
  const auto part = is_small_whole ? decode_message(data.small) : std::nullopt;
  if (part) {
    item.meta = part->meta;
    item.file = part->file;
  } else {
    item.octets = data.small;
  }
  item.octets += data.body;
  return keep_quarantined(state_.disk, item);
}

Result<Loaded> Reader::load(base::MessageId id, WithBody body, bool& quarantine) {
  quarantine = false;
  RecordData data;
  std::uint32_t recipients = 0;
  Place last{};
  std::uint64_t last_epoch = 0;
  Result<void> read = Errc::NotFound;
  for (int i = 0; i < kTries; ++i) {
    Place place;
    std::uint64_t epoch = 0;
    {
      const std::scoped_lock lock(state_.mutex);
      const std::uint32_t at = state_.index.find(id);
      if (at == Index::kNone) return Errc::NotFound;
      place = state_.index.entry(at).place;
      recipients = state_.index.entry(at).recipients;
      epoch = state_.segments.at(place.slot).header.life.epoch;
    }
    if (i > 0 && place == last && epoch == last_epoch) break;
    last = place;
    last_epoch = epoch;
    const Result<std::shared_ptr<File>> file = state_.segments.files.open(place.slot);
    if (!file) {
      read = file.error();
      continue;
    }
    data = RecordData{};
    read = read_record(**file, epoch, place.header, body, data);
    if (read && (data.header.type != RecordType::Message || data.header.id != id))
      read = Errc::Corrupt;
    if (read) break;
  }
  if (!read && read.error() != make_error_code(Errc::Corrupt)) return read.error();
  const auto part = decode_message(data.small);
  const char* why = "checksum differs";
  if (read && part && body == WithBody::Yes && !part->file.empty()) {
    // Its pieces are sent as they are read: the last moment to find out is before the first.
    const Result<void> whole = check_large(state_.disk, std::string(part->file));
    if (!whole && whole.error() == make_error_code(Errc::Io)) return whole.error();
    if (!whole) {
      why = "the checksum of its file differs";
      read = Errc::Corrupt;
    }
  }
  if (!read || !part) {
    // Kept first, taken out of the queue after: a crash in between only repeats this.
    const Result<void> kept = keep_damaged(id, recipients, data, why);
    if (!kept) return kept.error();
    quarantine = true;
    return Errc::Corrupt;
  }
  Loaded loaded;
  loaded.meta = part->meta;
  loaded.body.size = part->body_size;
  loaded.body.file = part->file;
  if (body == WithBody::Yes && part->file.empty())
    loaded.body.octets = base::Octets(std::move(data.body));
  return loaded;
}

Result<std::vector<Progress>> Reader::load_progress(base::MessageId id) {
  for (int i = 0; i < kTries; ++i) {
    std::map<std::pair<std::uint32_t, std::uint32_t>, std::vector<std::uint32_t>> places;
    std::map<std::uint32_t, std::uint64_t> epochs;
    {
      const std::scoped_lock lock(state_.mutex);
      const std::uint32_t at = state_.index.find(id);
      if (at == Index::kNone) return Errc::NotFound;
      state_.index.each_progress(at, [&](ProgressPlace p) {
        places[{p.place().slot, p.place().header}].push_back(p.recipient());
        epochs[p.place().slot] = state_.segments.at(p.place().slot).header.life.epoch;
      });
    }
    std::vector<Progress> found;
    bool is_whole = true;
    for (const auto& [place, recipients] : places) {
      const Result<std::shared_ptr<File>> file = state_.segments.files.open(place.first);
      if (!file) return file.error();
      RecordData data;
      const Result<void> read =
          read_record(**file, epochs[place.first], place.second, WithBody::No, data);
      if (!read && read.error() != make_error_code(Errc::Corrupt)) return read.error();
      const auto part = read && data.header.id == id ? decode_progress(data.small) : std::nullopt;
      if (!part) {
        is_whole = false;
        break;
      }
      for (const Progress& change : part->changes)
        if (std::find(recipients.begin(), recipients.end(), change.recipient) != recipients.end())
          found.push_back(change);
    }
    if (!is_whole) continue;
    std::sort(found.begin(), found.end(),
              [](const Progress& a, const Progress& b) { return a.recipient < b.recipient; });
    return found;
  }
  base::log::error("spool_progress_damaged", {{"message", base::format_message_id(id)}});
  return Errc::Corrupt;
}

Result<SharedEvents> Reader::read_events(Place place, std::uint64_t sequence) {
  std::uint64_t epoch = 0;
  {
    const std::scoped_lock lock(state_.mutex);
    epoch = state_.segments.at(place.slot).header.life.epoch;
  }
  const Result<std::shared_ptr<File>> file = state_.segments.files.open(place.slot);
  if (!file) return file.error();
  RecordData data;
  const Result<void> read = read_record(**file, epoch, place.header, WithBody::No, data);
  if (!read) return read.error();
  if (data.header.type != RecordType::Event || data.header.id.high != sequence)
    return Errc::Corrupt;
  auto events = decode_events(data.small);
  if (!events) return Errc::Corrupt;
  return SharedEvents(std::make_shared<const std::vector<std::string>>(std::move(*events)));
}

Result<EventBatch> Reader::next_events(std::size_t count_max) {
  std::vector<EventRef> refs;
  std::uint64_t cursor = 0;
  bool is_spilled = false;
  SpilledEvents spilled;
  {
    const std::scoped_lock lock(state_.mutex);
    cursor = state_.events.cursor();
    if (!state_.events.spilled().empty()) {
      is_spilled = true;
      spilled = state_.events.spilled().front();
    } else {
      // Every reference has one event at least, so this many are enough.
      for (const EventRef& ref : state_.events.refs()) {
        if (refs.size() >= count_max) break;
        refs.push_back(ref);
      }
    }
  }
  if (is_spilled) return read_spilled(state_.disk, spilled, cursor, count_max);
  EventBatch batch;
  for (const EventRef& ref : refs) {
    if (batch.events.size() >= count_max) break;
    SharedEvents events = ref.memory;
    if (!events) {
      Place place = ref.place;
      Result<SharedEvents> read = read_events(place, ref.sequence);
      if (!read) {
        // It may just have been copied forward.
        bool is_gone = false;
        {
          const std::scoped_lock lock(state_.mutex);
          const EventRef* again = state_.events.find(ref.sequence);
          is_gone = again == nullptr;
          if (again != nullptr) place = again->place;
        }
        if (is_gone) break;
        read = read_events(place, ref.sequence);
      }
      if (!read && read.error() != make_error_code(Errc::Corrupt)) return read.error();
      if (read) {
        events = *read;
      } else {
        base::log::error("spool_events_damaged", {{"sequence", ref.sequence}});
      }
    }
    batch.cursor = ref.sequence;
    if (events) batch.events.insert(batch.events.end(), events->begin(), events->end());
  }
  return batch;
}

}  // namespace ekiden::spool
