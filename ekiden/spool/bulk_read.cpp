#include "ekiden/spool/bulk_read.hpp"

#include <algorithm>
#include <span>

namespace ekiden::spool {
namespace {

/// Looked up under the lock that the committer takes for each batch.
constexpr std::size_t kLookupsPerLock = 512;

}  // namespace

void BulkRead::run() {
  if (!has_places_) {
    find_places();
    has_places_ = true;
  }
  Result<void> result;
  if (!stretches_.empty()) {
    Stretch& stretch = stretches_.begin()->second;
    if (!stretch.has_sidecar || !read_sidecar(stretch)) result = read_some(stretch);
    if (stretch.wanted.empty()) stretches_.erase(stretches_.begin());
  }
  if (!result || stretches_.empty()) {
    done_(result);
    return;
  }
  services_.pool.post([self = shared_from_this()] { self->run(); });
}

void BulkRead::find_places() {
  JournalState& state = services_.state;
  for (std::size_t from = 0; from < ids_.size(); from += kLookupsPerLock) {
    const std::size_t end = std::min(from + kLookupsPerLock, ids_.size());
    const std::scoped_lock lock(state.mutex);
    for (std::size_t i = from; i < end; ++i) {
      const std::uint32_t at = state.index.find(ids_[i]);
      if (at == Index::kNone) continue;
      const Place place = state.index.entry(at).place;
      const Segment& segment = state.segments.at(place.slot);
      Stretch& stretch = stretches_[place.slot];
      stretch.life = segment.header.life;
      stretch.has_sidecar = segment.state == SegmentState::Sealed;
      stretch.wanted.push_back({place.header, static_cast<std::uint32_t>(i)});
    }
  }
  for (auto& [slot, stretch] : stretches_) {
    if (stretch.wanted.size() < kSidecarWorthwhile) stretch.has_sidecar = false;
    std::sort(stretch.wanted.begin(), stretch.wanted.end(),
              [](const Wanted& a, const Wanted& b) { return a.header < b.header; });
  }
}

bool BulkRead::read_sidecar(Stretch& stretch) {
  stretch.has_sidecar = false;
  JournalState& state = services_.state;
  std::shared_ptr<const SegmentMetas> metas = state.sidecars.find(stretch.life);
  if (!metas) {
    Result<Catalog> catalog =
        Catalog::read_sidecar(state.disk, stretch.life, {Catalog::Heads, Catalog::Metas});
    if (!catalog) return false;
    metas = std::make_shared<const SegmentMetas>(std::move(*catalog));
    state.sidecars.keep(metas);
    services_.committer.ask_maintenance();  // which lets it go
  }
  std::erase_if(stretch.wanted, [&](const Wanted& wanted) {
    const std::optional<std::string_view> meta = metas->find(wanted.header, ids_[wanted.at]);
    if (meta) see_(wanted.at, *meta);
    return meta.has_value();
  });
  return true;
}

Result<void> BulkRead::read_some(Stretch& stretch) {
  const std::size_t count = std::min(stretch.wanted.size(), kReadsPerTurnMax);
  const Result<std::shared_ptr<File>> file = services_.state.segments.files.open(stretch.life.slot);
  for (const Wanted& wanted : std::span(stretch.wanted).first(count)) {
    RecordData data;
    Result<void> read = Errc::NotFound;
    if (file) read = read_record(**file, stretch.life.epoch, wanted.header, WithBody::No, data);
    const auto part =
        read && data.header.type == RecordType::Message && data.header.id == ids_[wanted.at]
            ? decode_message(data.small)
            : std::nullopt;
    if (part) {
      see_(wanted.at, part->meta);
      continue;
    }
    // Copied forward meanwhile, done, or damaged.
    if (const auto again = read_again(wanted.at); !again) return again;
  }
  stretch.wanted.erase(stretch.wanted.begin(),
                       stretch.wanted.begin() + static_cast<std::ptrdiff_t>(count));
  return {};
}

Result<void> BulkRead::read_again(std::size_t at) {
  bool must_quarantine = false;
  const Result<Loaded> loaded = services_.reader.load(ids_[at], WithBody::No, must_quarantine);
  if (must_quarantine) {
    auto submission = std::make_unique<Submission>();
    submission->quarantined.push_back(ids_[at]);
    submission->measure();
    services_.committer.submit(std::move(submission));
  }
  if (loaded) see_(at, loaded->meta);
  if (!loaded && loaded.error() == make_error_code(Errc::Io)) return loaded.error();
  return {};
}

void BulkProgressRead::run() {
  const std::size_t end = std::min(next_ + kReadsPerTurnMax, ids_.size());
  for (; next_ < end; ++next_) {
    Result<std::vector<Progress>> progress = services_.reader.load_progress(ids_[next_]);
    if (progress && !progress->empty()) see_(next_, std::move(*progress));
    if (!progress && progress.error() == make_error_code(Errc::Io)) {
      done_(progress.error());
      return;
    }
  }
  if (next_ == ids_.size()) {
    done_(Result<void>());
    return;
  }
  services_.pool.post([self = shared_from_this()] { self->run(); });
}

}  // namespace ekiden::spool
