#include "ekiden/spool/verify.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "ekiden/base/text.hpp"
#include "ekiden/spool/catalog.hpp"
#include "ekiden/spool/error.hpp"
#include "ekiden/spool/large_file.hpp"
#include "ekiden/spool/quarantine_file.hpp"
#include "ekiden/spool/scan.hpp"
#include "ekiden/spool/segments.hpp"

namespace ekiden::spool {
namespace {

/// How far the walk is, told each time another kStepOctets are behind it.
class Meter {
 public:
  explicit Meter(const VerifyProgress& tell) : tell_(tell) {}

  void expect(std::uint64_t octets) { all_ += octets; }
  void begin() { tell(0); }
  /// So much of the file at hand.
  void at(std::uint64_t octets) {
    if (before_ + octets >= told_ + kStepOctets) tell(before_ + octets);
  }
  /// The file at hand is read, which was expected to have so many.
  void end_file(std::uint64_t octets) {
    before_ += octets;
    tell(before_);
  }

 private:
  static constexpr std::uint64_t kStepOctets = 1 << 20;

  void tell(std::uint64_t read) {
    told_ = std::min(read, all_);
    if (tell_) tell_(told_, all_);
  }

  const VerifyProgress& tell_;
  std::uint64_t all_ = 0, before_ = 0, told_ = 0;
};

/// A segment that tells how far it has been read.
class MeteredFile final : public File {
 public:
  MeteredFile(File& file, Meter& meter) : file_(file), meter_(meter) {}

  Result<std::size_t> read_at(std::uint64_t offset, std::span<char> into) override {
    meter_.at(offset + into.size());
    return file_.read_at(offset, into);
  }
  Result<std::uint64_t> size() override { return file_.size(); }
  // Nothing is written here.
  Result<void> write_at(std::uint64_t, std::span<const std::string_view>) override {
    return Errc::Io;
  }
  Result<void> sync() override { return Errc::Io; }
  Result<void> allocate(std::uint64_t) override { return Errc::Io; }
  Result<void> truncate(std::uint64_t) override { return Errc::Io; }

 private:
  File& file_;
  Meter& meter_;
};

class Verifier {
 public:
  Verifier(Disk& disk, const VerifyProgress& progress) : disk_(disk), meter_(progress) {}

  Result<Verification> run() {
    if (const auto read = read_headers(); !read) return read.error();
    for (const SegmentHeader& header : segments_) meter_.expect(header.octets);
    measure_large_files();
    meter_.begin();
    std::sort(
        segments_.begin(), segments_.end(),
        [](const SegmentHeader& a, const SegmentHeader& b) { return a.sequence > b.sequence; });
    for (const SegmentHeader& header : segments_)
      if (const auto walked = walk(header); !walked) return walked.error();
    count_live();
    check_large_files();
    if (const auto kept = list_quarantined(disk_)) seen_.quarantined = kept->size();
    if (unsaid_ > 0) seen_.findings.push_back(std::to_string(unsaid_) + " more findings");
    return std::move(seen_);
  }

 private:
  struct Live {
    std::uint32_t recipients = 0;
    std::uint64_t size = 0;
    std::string file;
    /// Newest sequence and whether it is final, per recipient.
    std::map<std::uint32_t, std::pair<std::uint64_t, bool>> progress;
  };

  Result<void> read_headers() {
    const Result<std::vector<std::string>> names = disk_.list("journal");
    if (!names) return names.error();
    for (const std::string& name : *names) {
      const auto slot = name.size() == 12 && name.ends_with(".seg")
                            ? base::parse_u64(name.substr(0, 8))
                            : std::nullopt;
      if (!slot) {
        find("journal/" + name + " is not a segment");
        continue;
      }
      Result<std::unique_ptr<File>> file = disk_.open("journal/" + name, Open::Existing);
      if (!file) return file.error();
      std::string page(kPage, '\0');
      const Result<std::size_t> got = (*file)->read_at(0, page);
      if (!got) return got.error();
      SegmentHeader header;
      const HeaderState state = decode_segment_page(page, header);
      ++seen_.segments;
      if (state == HeaderState::Damaged ||
          (state == HeaderState::Valid && header.life.slot != *slot)) {
        find("journal/" + name + ": both copies of the header are damaged");
      } else if (state == HeaderState::Empty || !header.is_used) {
        ++seen_.free_segments;
      } else {
        segments_.push_back(header);
      }
    }
    return {};
  }

  Result<void> walk(const SegmentHeader& header) {
    const std::string path = segment_path(header.life.slot);
    Result<std::unique_ptr<File>> file = disk_.open(path, Open::Existing);
    if (!file) return file.error();
    const auto limit = limits_.find(header.life.slot);
    const bool has_failed = limit != limits_.end() && limit->second.life == header.life;
    const Result<Catalog> sidecar =
        Catalog::read_sidecar(disk_, header.life,
                              {Catalog::Dones, Catalog::Limits, Catalog::Progresses,
                               Catalog::Events, Catalog::Heads, Catalog::Metas});
    MeteredFile metered(**file, meter_);
    const auto scan = [&](LastBatch last) {
      return scan_segment(metered, header, has_failed ? limit->second.length : header.octets,
                          CheckBodies::All, last);
    };
    Result<Scanned> scanned = scan(has_failed ? LastBatch::Acknowledged : LastBatch::MayBeTorn);
    // A start after a crash writes a sidecar of a segment whose last batch is torn. Only what the
    // sidecar names was acknowledged; if some of that is missing, say what.
    if (scanned && sidecar && !has_failed && !do_agree(*sidecar, scanned->catalog))
      scanned = scan(LastBatch::Acknowledged);
    if (!scanned) return scanned.error();
    meter_.end_file(header.octets);
    seen_.batches += scanned->batches;
    seen_.records += scanned->records;
    seen_.torn_records += scanned->torn_records;
    const Catalog& catalog = scanned->catalog;
    catalog.each_done([this](base::MessageId id, const DonePart&) {
      ++seen_.dones;
      done_.insert(id);
    });
    for (const Damage& damage : scanned->damaged) {
      // Set aside already, or delivered before: nobody reads it again.
      if (done_.contains(damage.id)) continue;
      find(path + " at " + std::to_string(damage.offset) + ": " + damage.reason + " of " +
           (damage.id == base::MessageId{} ? std::string("unknown message")
                                           : base::format_message_id(damage.id)) +
           " is damaged");
    }
    check_sidecar(header, sidecar, catalog, has_failed);
    catalog.each_limit([this](const LimitPart& l) { limits_.emplace(l.life.slot, l); });
    catalog.each_event([this](const Catalog::Event&) { ++seen_.event_records; });
    catalog.each_progress([this](base::MessageId id, std::uint32_t, const ProgressPart& part) {
      ++seen_.progress;
      if (done_.contains(id)) return;
      for (const Progress& change : part.changes) {
        auto& newest = live_[id].progress[change.recipient];
        if (part.sequence >= newest.first) newest = {part.sequence, is_final(change.state)};
      }
    });
    // The metas are in memory here, for a scan has everything.
    catalog.each_message([this](const Catalog::Head& head, const MessagePart& part) {
      if (done_.contains(head.id)) return;
      Live& live = live_[head.id];
      live.recipients = part.recipients;
      live.size = part.body_size;
      live.file = part.file;
    });
    return {};
  }

  void check_sidecar(const SegmentHeader& header, const Result<Catalog>& sidecar,
                     const Catalog& scanned, bool has_failed) {
    if (!sidecar) {
      // Missing is usual: the segment in use at a crash, or a sidecar too large to keep.
      if (!has_failed) ++seen_.scanned;
      if (sidecar.error() == make_error_code(Errc::Corrupt))
        find(sidecar_path(header.life) + " is torn; a start will scan the segment");
      return;
    }
    ++seen_.sidecars;
    if (!do_agree(*sidecar, scanned))
      find(sidecar_path(header.life) + " does not agree with its segment");
  }

  static bool do_agree(const Catalog& a, const Catalog& b) {
    for (std::size_t i = 0; i < Catalog::kSections; ++i) {
      const auto section = static_cast<Catalog::Section>(i);
      if (a.section(section) != b.section(section)) return false;
    }
    return true;
  }

  void count_live() {
    for (const auto& [id, live] : live_) {
      if (live.recipients == 0) continue;  // progress of a message whose done may be gone
      std::uint64_t open = live.recipients;
      for (const auto& [recipient, newest] : live.progress) {
        if (recipient >= live.recipients) {
          find("progress of recipient " + std::to_string(recipient) + " of " +
               base::format_message_id(id) + ", which has " + std::to_string(live.recipients));
        } else if (newest.second) {
          --open;
        }
      }
      if (open == 0) continue;
      ++seen_.messages;
      seen_.recipients += open;
      seen_.octets += live.size;
      if (live.file.empty()) continue;
      named_.insert(live.file);
      ++seen_.large_files;
      if (const auto checked = check_large(disk_, live.file); !checked)
        find(live.file + " of " + base::format_message_id(id) + ": " + checked.error().message());
      meter_.end_file(large_sizes_[live.file]);
    }
  }

  void measure_large_files() {
    const Result<std::vector<std::string>> names = disk_.list("large");
    if (!names) return;
    for (const std::string& name : *names) {
      const std::string path = "large/" + name;
      const Result<std::unique_ptr<File>> file = disk_.open(path, Open::Existing);
      const Result<std::uint64_t> size = file ? (*file)->size() : file.error();
      if (!size) continue;
      large_sizes_[path] = *size;
      meter_.expect(*size);
    }
  }

  void check_large_files() {
    const Result<std::vector<std::string>> names = disk_.list("large");
    if (!names) return;
    for (const std::string& name : *names)
      if (!named_.contains("large/" + name)) ++seen_.orphans;
  }

  void find(std::string what) {
    if (seen_.findings.size() < kFindingsMax) {
      seen_.findings.push_back(std::move(what));
    } else {
      ++unsaid_;
    }
  }

  Disk& disk_;
  Meter meter_;
  Verification seen_;
  std::uint64_t unsaid_ = 0;
  std::vector<SegmentHeader> segments_;
  std::map<std::uint32_t, LimitPart> limits_;
  std::unordered_set<base::MessageId> done_;
  std::unordered_map<base::MessageId, Live> live_;
  std::set<std::string> named_;
  std::unordered_map<std::string, std::uint64_t> large_sizes_;
};

}  // namespace

Result<Verification> verify_spool(Disk& disk, const VerifyProgress& progress) {
  return Verifier(disk, progress).run();
}

}  // namespace ekiden::spool
