#include "ekiden/queue/fair_queue.hpp"

#include <algorithm>

namespace ekiden::queue {
namespace {

/// Virtual time that one recipient of weight 1 takes.
constexpr std::uint64_t kQuantum = 1U << 20;
/// Flows kept after they ran empty; more are forgotten, with what they were charged.
constexpr std::uint32_t kIdleFlowsMax = 64;
/// Where nothing waits at all, so many cost less than to be made again.
constexpr std::uint32_t kIdleFlowsKept = 4;

bool is_by_class(const std::pair<std::uint32_t, std::uint32_t>& one, std::uint32_t klass) {
  return one.first < klass;
}

}  // namespace

std::uint32_t FairQueue::find(std::uint32_t klass) const {
  const auto found = std::lower_bound(by_class_.begin(), by_class_.end(), klass, is_by_class);
  return found == by_class_.end() || found->first != klass ? kNone : found->second;
}

void FairQueue::forget_idle() {
  std::erase_if(by_class_, [this](const auto& one) {
    Flow& flow = flows_[one.second];
    if (flow.list.size > 0) return false;
    flow = Flow{};
    free_.push_back(one.second);
    return true;
  });
  idle_ = 0;
}

std::uint32_t FairQueue::flow_of(std::uint32_t klass, const Klass& how) {
  std::uint32_t at = find(klass);
  if (at == kNone) {
    if (idle_ >= kIdleFlowsMax) forget_idle();
    if (free_.empty()) {
      free_.push_back(static_cast<std::uint32_t>(flows_.size()));
      flows_.emplace_back();
    }
    at = free_.back();
    free_.pop_back();
    flows_[at].klass = klass;
    flows_[at].how = how;
    flows_[at].start = now_;
    by_class_.emplace(std::lower_bound(by_class_.begin(), by_class_.end(), klass, is_by_class),
                      klass, at);
    ++idle_;
  }
  Flow& flow = flows_[at];
  if (flow.list.size == 0) {
    // A flow that was idle starts now: it has saved up nothing.
    flow.start = std::max(flow.start, now_);
    --idle_;
  }
  count(flow, 1);
  return at;
}

void FairQueue::count(const Flow& flow, std::uint32_t more) {
  if (flow.how.is_suspended) return;
  size_ += more;
  if (flow.how.level == Level::High) high_ += more;
}

bool FairQueue::is_before(std::uint32_t a, std::uint32_t b) const {
  const Flow& one = flows_[a];
  const Flow& other = flows_[b];
  if (one.how.level != other.how.level) return one.how.level == Level::High;
  return one.start != other.start ? one.start < other.start : a < b;
}

void FairQueue::sift_up(std::uint32_t at) {
  const std::uint32_t flow = turns_[at];
  while (at > 0) {
    const std::uint32_t above = (at - 1) / 2;
    if (!is_before(flow, turns_[above])) break;
    turns_[at] = turns_[above];
    flows_[turns_[at]].at = at;
    at = above;
  }
  turns_[at] = flow;
  flows_[flow].at = at;
}

void FairQueue::sift_down(std::uint32_t at) {
  const std::uint32_t flow = turns_[at];
  const auto count = static_cast<std::uint32_t>(turns_.size());
  for (std::uint32_t below; (below = 2 * at + 1) < count; at = below) {
    if (below + 1 < count && is_before(turns_[below + 1], turns_[below])) ++below;
    if (!is_before(turns_[below], flow)) break;
    turns_[at] = turns_[below];
    flows_[turns_[at]].at = at;
  }
  turns_[at] = flow;
  flows_[flow].at = at;
}

void FairQueue::place(std::uint32_t flow) {
  const std::uint32_t at = flows_[flow].at;
  if (flows_[flow].list.size > 0 && !flows_[flow].how.is_suspended) {
    if (at == kNone) {
      turns_.push_back(flow);
      sift_up(static_cast<std::uint32_t>(turns_.size() - 1));
    } else {
      sift_up(at);
      sift_down(flows_[flow].at);
    }
    return;
  }
  if (at == kNone) return;
  const std::uint32_t last = turns_.back();
  turns_.pop_back();
  flows_[flow].at = kNone;
  if (last == flow) return;
  turns_[at] = last;
  flows_[last].at = at;
  sift_up(at);
  sift_down(flows_[last].at);
}

void FairQueue::set_suspended(std::uint32_t klass, bool is_suspended) {
  const std::uint32_t at = find(klass);
  if (at == kNone || flows_[at].how.is_suspended == is_suspended) return;
  Flow& flow = flows_[at];
  // Unsigned, so that a negative count is a large positive one that wraps back.
  if (is_suspended) count(flow, 0U - flow.list.size);
  flow.how.is_suspended = is_suspended;
  // What it did not use while it was suspended is not saved up.
  flow.start = std::max(flow.start, now_);
  if (!is_suspended) count(flow, flow.list.size);
  place(at);
}

void FairQueue::set_share(std::uint32_t klass, Level level, std::uint32_t weight) {
  const std::uint32_t at = find(klass);
  if (at == kNone) return;
  Flow& flow = flows_[at];
  count(flow, 0U - flow.list.size);
  flow.how.level = level;
  flow.how.weight = weight;
  // What it was charged at its old weight is not held against it, nor for it.
  flow.start = now_;
  count(flow, flow.list.size);
  place(at);
}

void FairQueue::push_back(Slab<RecipientEntry>& entries, std::uint32_t slot, std::uint32_t klass,
                          const Klass& how) {
  const std::uint32_t at = flow_of(klass, how);
  flows_[at].list.push_back(entries, slot);
  if (flows_[at].list.size == 1) place(at);
}

void FairQueue::push_front(Slab<RecipientEntry>& entries, std::uint32_t slot, std::uint32_t klass,
                           const Klass& how) {
  const std::uint32_t at = flow_of(klass, how);
  flows_[at].list.push_front(entries, slot);
  if (flows_[at].list.size == 1) place(at);
}

/// Tens of thousands of sites have nothing waiting most of the time.
void FairQueue::shrink() {
  if (idle_ <= kIdleFlowsKept || idle_ < by_class_.size()) return;
  flows_ = {};
  free_ = {};
  by_class_ = {};
  turns_ = {};
  idle_ = 0;
}

void FairQueue::drop(Slab<RecipientEntry>& entries, std::uint32_t slot, std::uint32_t at) {
  Flow& flow = flows_[at];
  flow.list.remove(entries, slot);
  count(flow, 0U - 1U);
  if (flow.list.size == 0) ++idle_;
}

void FairQueue::remove(Slab<RecipientEntry>& entries, std::uint32_t slot, std::uint32_t klass) {
  const std::uint32_t at = find(klass);
  drop(entries, slot, at);
  if (flows_[at].list.size == 0) place(at);
  shrink();
}

std::uint32_t FairQueue::peek(bool high_only) const {
  if (turns_.empty() || (high_only && high_ == 0)) return kNone;
  return flows_[turns_.front()].list.head;
}

void FairQueue::take(Slab<RecipientEntry>& entries, std::uint32_t slot, std::uint32_t klass) {
  const std::uint32_t at = find(klass);
  Flow& flow = flows_[at];
  if (flow.how.level != Level::High) now_ = std::max(now_, flow.start);
  flow.start = std::max(flow.start, now_) + kQuantum / std::max<std::uint32_t>(1, flow.how.weight);
  drop(entries, slot, at);
  place(at);
  shrink();
}

}  // namespace ekiden::queue
