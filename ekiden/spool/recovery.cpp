#include "ekiden/spool/recovery.hpp"

#include <algorithm>
#include <cstdio>
#include <deque>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "ekiden/base/checksum.hpp"
#include "ekiden/base/log.hpp"
#include "ekiden/spool/large_file.hpp"
#include "ekiden/spool/quarantine_file.hpp"
#include "ekiden/spool/reader.hpp"
#include "ekiden/spool/scan.hpp"

namespace ekiden::spool {
namespace {

/// Ids in an open table of 16 octets a slot; the zero id is not used by anyone.
class IdSet {
 public:
  IdSet() : table_(1024) {}
  bool contains(base::MessageId id) const { return table_[find(id)] == id; }
  void insert(base::MessageId id) {
    if ((size_ + 1) * 4 > table_.size() * 3) {
      std::vector<base::MessageId> old(table_.size() * 2);
      old.swap(table_);
      for (const base::MessageId& each : old)
        if (each != base::MessageId{}) table_[find(each)] = each;
    }
    base::MessageId& slot = table_[find(id)];
    if (slot == id) return;
    slot = id;
    ++size_;
  }
  void erase(base::MessageId id) {
    const std::size_t mask = table_.size() - 1;
    std::size_t hole = find(id);
    if (table_[hole] != id) return;
    for (std::size_t i = (hole + 1) & mask; table_[i] != base::MessageId{}; i = (i + 1) & mask) {
      const std::size_t wanted = std::hash<base::MessageId>{}(table_[i]) & mask;
      if (((i - wanted) & mask) >= ((i - hole) & mask)) {
        table_[hole] = table_[i];
        hole = i;
      }
    }
    table_[hole] = {};
    --size_;
  }

 private:
  std::size_t find(base::MessageId id) const {
    const std::size_t mask = table_.size() - 1;
    std::size_t i = std::hash<base::MessageId>{}(id)&mask;
    while (table_[i] != id && table_[i] != base::MessageId{}) i = (i + 1) & mask;
    return i;
  }
  std::vector<base::MessageId> table_;
  std::size_t size_ = 0;
};

/// The newest progress of every live recipient that has any, for the time of the start only.
/// Replies repeat; each text is kept once.
class ProgressHeap {
 public:
  /// True when it is newer than what is known of this recipient.
  bool offer(std::uint32_t entry, const Progress& change, std::uint64_t sequence) {
    if ((nodes_.size() + 1) * 2 > table_.size()) grow();
    std::uint32_t& slot = table_[find(entry, change.recipient)];
    if (slot == kNone) {
      slot = static_cast<std::uint32_t>(nodes_.size());
      nodes_.emplace_back();
      nodes_.back().entry = entry;
      nodes_.back().recipient = change.recipient;
      if (first_.size() <= entry) first_.resize(entry + 1, kNone);
      nodes_.back().next = first_[entry];
      first_[entry] = slot;
    } else if (sequence <= nodes_[slot].sequence) {
      return false;
    }
    Node& node = nodes_[slot];
    node.sequence = sequence;
    node.due = change.due;
    node.reply = change.reply.empty() ? nullptr : &*replies_.insert(change.reply).first;
    node.attempts = change.attempts;
    node.state = change.state;
    node.flags = change.flags;
    return true;
  }

  /// In order of recipient.
  void collect(std::uint32_t entry, std::vector<Progress>& into) const {
    into.clear();
    if (entry >= first_.size()) return;
    for (std::uint32_t i = first_[entry]; i != kNone; i = nodes_[i].next) {
      const Node& node = nodes_[i];
      Progress& progress = into.emplace_back();
      progress.recipient = node.recipient;
      progress.state = node.state;
      progress.flags = node.flags;
      progress.attempts = node.attempts;
      progress.due = node.due;
      if (node.reply != nullptr) progress.reply = *node.reply;
    }
    std::sort(into.begin(), into.end(),
              [](const Progress& a, const Progress& b) { return a.recipient < b.recipient; });
  }

 private:
  static constexpr std::uint32_t kNone = 0xffffffff;
  struct Node {
    std::uint32_t entry = 0, recipient = 0, next = kNone;
    std::uint16_t attempts = 0;
    spool::State state = spool::State::Queued;
    std::uint8_t flags = 0;
    std::uint64_t sequence = 0;
    base::Time due{};
    const std::string* reply = nullptr;
  };

  std::size_t find(std::uint32_t entry, std::uint32_t recipient) const {
    std::uint64_t z = (std::uint64_t{entry} << 32 | recipient) * 0x9e3779b97f4a7c15ULL;
    std::size_t i = (z ^ (z >> 29)) & (table_.size() - 1);
    while (table_[i] != kNone &&
           (nodes_[table_[i]].entry != entry || nodes_[table_[i]].recipient != recipient))
      i = (i + 1) & (table_.size() - 1);
    return i;
  }
  void grow() {
    table_.assign(table_.size() * 2, kNone);
    for (std::uint32_t i = 0; i < nodes_.size(); ++i)
      table_[find(nodes_[i].entry, nodes_[i].recipient)] = i;
  }

  std::vector<std::uint32_t> table_ = std::vector<std::uint32_t>(1024, kNone);
  std::vector<std::uint32_t> first_;
  std::deque<Node> nodes_;
  std::unordered_set<std::string> replies_;
};

class Recovery {
 public:
  Recovery(JournalState& state, const std::function<void(const Recovered&)>& visit,
           std::vector<base::MessageId>& finished)
      : state_(state), visit_(visit), finished_(finished) {}

  Result<void> run() {
    Result<void> result = prepare();
    if (result) result = find_messages();
    if (result) result = find_progress();
    if (result) result = show();
    if (result) result = finish();
    return result;
  }

 private:
  Result<void> prepare() {
    for (const char* directory : {"journal", "sidecar", "large", "quarantine", "events"})
      if (const auto made = state_.disk.make_directory(directory); !made) return made;
    if (const auto synced = state_.disk.sync_directory(""); !synced) return synced;
    if (const auto read = state_.segments.read_headers(); !read) return read;
    for (std::uint32_t i = 0; i < state_.segments.count(); ++i)
      if (state_.segments.at(i).state == SegmentState::Sealed) newest_first_.push_back(i);
    std::sort(newest_first_.begin(), newest_first_.end(), [this](std::uint32_t a, std::uint32_t b) {
      return state_.segments.at(a).header.sequence > state_.segments.at(b).header.sequence;
    });
    return {};
  }

  /// Pass 1: which messages live, and where; what is done; events. Newest segment first, and in a
  /// segment dones first, so that a done is met before any copy of its message.
  Result<void> find_messages() {
    for (const std::uint32_t slot : newest_first_) {
      Result<Catalog> catalog =
          catalog_of(slot, {Catalog::Dones, Catalog::Limits, Catalog::Events, Catalog::Heads});
      if (!catalog) return catalog.error();
      Segment& segment = state_.segments.at(slot);
      segment.end = catalog->valid_octets;
      state_.next_batch = std::max(state_.next_batch, catalog->batch_number + 1);
      state_.next_progress = std::max(state_.next_progress, catalog->progress_sequence_max + 1);
      state_.next_event = std::max(state_.next_event, catalog->event_sequence_max + 1);
      cursor_ = std::max(cursor_, catalog->events_cursor);
      catalog->each_limit([this](const LimitPart& limit) {
        if (!state_.segments.is_same_life(limit.life)) return;
        if (limits_.emplace(limit.life.slot, limit.length).second) state_.limits.push_back(limit);
        state_.segments.at(limit.life.slot).state = SegmentState::Failed;
      });
      catalog->each_done([&](base::MessageId id, const DonePart& done) {
        done_.insert(id);
        for (const SegmentLife& life : done.copies)
          if (life.slot != slot && state_.segments.is_same_life(life))
            ++segment.needed_by[life.slot];
      });
      catalog->each_event([&](const Catalog::Event& event) {
        if (event.sequence > cursor_)
          events_.push_back({event.sequence, {slot, event.header}, event.octets, nullptr});
      });
      catalog->each_head([&](const Catalog::Head& head) { meet(slot, head); });
    }
    return {};
  }

  void meet(std::uint32_t slot, const Catalog::Head& head) {
    if (done_.contains(head.id)) {
      // The original is the oldest copy: after it nobody asks for the done again.
      if ((head.flags & kCopied) == 0) done_.erase(head.id);
      return;
    }
    Segment& segment = state_.segments.at(slot);
    if (state_.index.find(head.id) != Index::kNone) {
      // An older copy: its segment was being drained. Until it is gone every done names it.
      segment.is_draining = true;
      return;
    }
    if (head.recipients == 0 || head.recipients > kRecipientsMax) return;
    state_.index.insert(head.id, {slot, head.header}, head.recipients,
                        head.octets | (head.has_file ? kHasFile : 0));
    ++segment.live_messages;
    segment.live_octets += head.octets;
  }

  /// Pass 2: the newest progress of each live recipient.
  Result<void> find_progress() {
    done_ = IdSet{};
    for (const std::uint32_t slot : newest_first_) {
      const Result<Catalog> catalog = catalog_of(slot, {Catalog::Progresses});
      if (!catalog) return catalog.error();
      catalog->each_progress([&](base::MessageId id, std::uint32_t header, const ProgressPart& p) {
        const std::uint32_t at = state_.index.find(id);
        if (at == Index::kNone) return;
        for (const Progress& change : p.changes) {
          if (change.recipient >= state_.index.entry(at).recipients) continue;
          if (!heap_.offer(at, change, p.sequence)) continue;
          ++state_.segments.at(slot).live_progress;
          const ProgressPlace old = state_.index.set_progress(
              at, ProgressPlace(change.recipient, is_final(change.state), {slot, header}));
          if (old) --state_.segments.at(old.place().slot).live_progress;
        }
      });
    }
    return {};
  }

  /// Pass 3: each live message with its meta.
  Result<void> show() {
    std::vector<Progress> progress;
    for (const std::uint32_t slot : newest_first_) {
      if (state_.segments.at(slot).live_messages == 0) continue;
      const Result<Catalog> catalog = catalog_of(slot, {Catalog::Heads, Catalog::Metas});
      if (!catalog) return catalog.error();
      catalog->each_message([&](const Catalog::Head& head, const MessagePart& part) {
        const std::uint32_t at = state_.index.find(head.id);
        if (at == Index::kNone || state_.index.entry(at).place != Place{slot, head.header}) return;
        if (!part.file.empty()) files_.insert(std::string(part.file));
        state_.messages.fetch_add(1);
        state_.recipients.fetch_add(state_.index.entry(at).open);
        if (state_.index.entry(at).open == 0) {
          finished_.push_back(head.id);
          return;
        }
        heap_.collect(at, progress);
        const Recovered recovered{head.id, part.recipients, part.body_size, part.meta, progress};
        visit_(recovered);
      });
    }
    return {};
  }

  Result<void> finish() {
    Result<std::vector<SpilledEvents>> spilled = list_spilled(state_.disk);
    if (!spilled) return spilled.error();
    for (const SpilledEvents& file : *spilled)
      state_.next_event = std::max(state_.next_event, file.last + 1);
    state_.next_event = std::max(state_.next_event, cursor_ + 1);
    state_.events.restore(std::move(events_), std::move(*spilled), cursor_);
    for (const EventRef& ref : state_.events.refs()) {
      ++state_.segments.at(ref.place.slot).live_events;
      state_.segments.at(ref.place.slot).live_octets += ref.octets;
    }

    settle_releases(state_.disk,
                    [this](base::MessageId id) { return state_.index.find(id) != Index::kNone; });
    if (see_quarantined())
      remove_orphans(state_.disk,
                     [this](const std::string& path) { return files_.contains(path); });
    remove_old_sidecars();
    for (const std::uint32_t slot : newest_first_) state_.maybe_dead.push_back(slot);
    return {};
  }

  /// False: something there may name files of bodies, and does not say which. They are all that is
  /// left of their messages, so none is an orphan now.
  bool see_quarantined() {
    const Result<std::vector<std::string>> kept = list_quarantined(state_.disk);
    if (!kept) return false;
    state_.quarantined = kept->size();
    bool is_all_seen = true;
    for (const std::string& name : *kept) {
      const Result<Quarantined> item = peek_quarantined(state_.disk, name);
      if (item && !item->file.empty()) files_.insert(item->file);
      is_all_seen = is_all_seen && item;
    }
    // A release that could not be ended is in no list.
    const Result<std::vector<std::string>> all = state_.disk.list("quarantine");
    return is_all_seen && all && all->size() == kept->size();
  }

  void remove_old_sidecars() {
    std::set<std::string> wanted;
    for (const std::uint32_t slot : newest_first_)
      wanted.insert(sidecar_path(state_.segments.at(slot).header.life));
    const Result<std::vector<std::string>> names = state_.disk.list("sidecar");
    if (!names) return;
    for (const std::string& name : *names)
      if (!wanted.contains("sidecar/" + name)) (void)state_.disk.remove("sidecar/" + name);
  }

  /// From the sidecar; without one by a scan, after which there is one if the disk allows.
  Result<Catalog> catalog_of(std::uint32_t slot, std::initializer_list<Catalog::Section> wanted) {
    const Segment& segment = state_.segments.at(slot);
    Result<Catalog> catalog = Catalog::read_sidecar(state_.disk, segment.header.life, wanted);
    if (catalog) return catalog;
    const Result<std::shared_ptr<File>> file = state_.segments.files.open(slot);
    if (!file) return file.error();
    const bool is_first_scan = scanned_.insert(slot).second;
    // Killed but not powered off: what we read may not be on the platter yet.
    if (is_first_scan)
      if (const auto synced = (*file)->sync(); !synced) return synced.error();
    const auto limit = limits_.find(slot);
    Result<Scanned> scanned = scan_segment(
        **file, segment.header, limit == limits_.end() ? segment.header.octets : limit->second,
        CheckBodies::LastBatchOnly,
        limit == limits_.end() ? LastBatch::MayBeTorn : LastBatch::Acknowledged);
    if (!scanned) return scanned.error();
    if (is_first_scan) {
      base::log::info("spool_segment_scanned", {{"segment", slot},
                                                {"records", scanned->records},
                                                {"torn", scanned->torn_records},
                                                {"damaged", scanned->damaged.size()}});
      std::unordered_set<base::MessageId> done_here;
      scanned->catalog.each_done(
          [&](base::MessageId id, const DonePart&) { done_here.insert(id); });
      for (const Damage& damage : scanned->damaged) {
        // A damaged body is found, and kept with its envelope, when the message is read; what is
        // done nobody asks for again.
        const bool is_known = damage.id != base::MessageId{};
        const bool is_done =
            is_known && (done_.contains(damage.id) || done_here.contains(damage.id));
        if (damage.is_body || is_done) continue;
        keep(**file, segment.header.life, damage);
      }
      // A failed segment is on its way out and its limit may not be known to a later reader.
      if (limit == limits_.end()) {
        const Result<void> written = scanned->catalog.write_sidecar(state_.disk);
        if (!written)
          base::log::warning("spool_sidecar_failed",
                             {{"segment", slot}, {"error", written.error().message()}});
      }
    }
    return std::move(scanned->catalog);
  }

  void keep(File& file, SegmentLife life, const Damage& damage) {
    Quarantined item;
    char name[64];
    std::snprintf(name, sizeof name, "%08u-%016llx-%08x.raw", life.slot,
                  static_cast<unsigned long long>(
                      base::hash64({reinterpret_cast<const char*>(&life.epoch), 8})),
                  damage.offset);
    item.name = name;
    item.id = damage.id;
    item.reason = damage.reason;
    if (damage.id != base::MessageId{}) {
      // Its header still says where the rest is.
      RecordData data;
      (void)read_record(file, life.epoch, damage.offset / kHeaderOctets, WithBody::Yes, data);
      item.octets = data.small + data.body;
    } else {
      item.octets.resize(damage.length);
      const Result<std::size_t> got = file.read_at(damage.offset, item.octets);
      item.octets.resize(got ? *got : 0);
    }
    (void)keep_quarantined(state_.disk, item);
  }

  JournalState& state_;
  const std::function<void(const Recovered&)>& visit_;
  std::vector<base::MessageId>& finished_;
  std::vector<std::uint32_t> newest_first_;
  std::unordered_map<std::uint32_t, std::uint32_t> limits_;
  std::set<std::uint32_t> scanned_;
  IdSet done_;
  ProgressHeap heap_;
  std::vector<EventRef> events_;
  std::uint64_t cursor_ = 0;
  std::unordered_set<std::string> files_;
};

}  // namespace

Result<void> recover_state(JournalState& state, const std::function<void(const Recovered&)>& visit,
                           std::vector<base::MessageId>& finished) {
  return Recovery(state, visit, finished).run();
}

}  // namespace ekiden::spool
