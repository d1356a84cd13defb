#include "ekiden/spool/sidecar_cache.hpp"

#include <algorithm>

namespace ekiden::spool {

SegmentMetas::SegmentMetas(Catalog catalog) : catalog_(std::move(catalog)) {
  catalog_.each_message([this](const Catalog::Head& head, const MessagePart& part) {
    entries_.push_back({head.header, head.id, part.meta});
  });
  std::sort(entries_.begin(), entries_.end(),
            [](const Entry& a, const Entry& b) { return a.header < b.header; });
}

std::optional<std::string_view> SegmentMetas::find(std::uint32_t header, base::MessageId id) const {
  const auto found = std::lower_bound(
      entries_.begin(), entries_.end(), header,
      [](const Entry& entry, std::uint32_t wanted) { return entry.header < wanted; });
  if (found == entries_.end() || found->header != header || found->id != id) return std::nullopt;
  return found->meta;
}

std::shared_ptr<const SegmentMetas> SidecarCache::find(SegmentLife life) {
  const std::scoped_lock lock(mutex_);
  const auto found = std::find_if(kept_.begin(), kept_.end(),
                                  [&](const Kept& one) { return one.metas->life() == life; });
  if (found == kept_.end()) return nullptr;
  std::rotate(found, found + 1, kept_.end());
  kept_.back().was_wanted = true;
  return kept_.back().metas;
}

void SidecarCache::keep(std::shared_ptr<const SegmentMetas> metas) {
  if (metas->octets() > kOctetsMax / 2) return;
  const std::scoped_lock lock(mutex_);
  // Two that missed it at once have both read it.
  const bool is_known = std::any_of(kept_.begin(), kept_.end(), [&](const Kept& one) {
    return one.metas->life() == metas->life();
  });
  if (is_known) return;
  octets_ += metas->octets();
  kept_.push_back({std::move(metas)});
  while (octets_ > kOctetsMax) {
    octets_ -= kept_.front().metas->octets();
    kept_.pop_front();
  }
  count_.store(kept_.size(), std::memory_order_relaxed);
}

void SidecarCache::age() {
  const std::scoped_lock lock(mutex_);
  std::erase_if(kept_, [this](Kept& one) {
    if (std::exchange(one.was_wanted, false)) return false;
    octets_ -= one.metas->octets();
    return true;
  });
  count_.store(kept_.size(), std::memory_order_relaxed);
}

}  // namespace ekiden::spool
