#include "ekiden/queue/fair_queue.hpp"

#include <algorithm>

namespace ekiden::queue {
namespace {

/// Virtual time that one recipient of weight 1 takes.
constexpr std::uint64_t kQuantum = 1U << 20;
/// Flows kept after they ran empty; more are forgotten, with what they were charged.
constexpr std::size_t kIdleFlowsMax = 64;

}  // namespace

std::size_t FairQueue::find(std::uint32_t klass) const {
  for (std::size_t i = 0; i < flows_.size(); ++i)
    if (flows_[i].klass == klass) return i;
  return flows_.size();
}

FairQueue::Flow& FairQueue::flow_of(std::uint32_t klass, const Klass& how) {
  std::size_t at = find(klass);
  if (at == flows_.size()) {
    if (flows_.size() >= kIdleFlowsMax)
      std::erase_if(flows_, [](const Flow& flow) { return flow.list.size == 0; });
    at = flows_.size();
    flows_.push_back({klass, how, {}, now_});
  }
  Flow& flow = flows_[at];
  // A flow that was idle starts now: it has saved up nothing.
  if (flow.list.size == 0) flow.start = std::max(flow.start, now_);
  count(flow, 1);
  return flow;
}

void FairQueue::count(const Flow& flow, std::uint32_t more) {
  if (flow.how.is_suspended) return;
  size_ += more;
  if (flow.how.level == Level::High) high_ += more;
}

void FairQueue::set_suspended(std::uint32_t klass, bool is_suspended) {
  const std::size_t at = find(klass);
  if (at == flows_.size() || flows_[at].how.is_suspended == is_suspended) return;
  Flow& flow = flows_[at];
  // Unsigned, so that a negative count is a large positive one that wraps back.
  if (is_suspended) count(flow, 0U - flow.list.size);
  flow.how.is_suspended = is_suspended;
  // What it did not use while it was suspended is not saved up.
  flow.start = std::max(flow.start, now_);
  if (!is_suspended) count(flow, flow.list.size);
}

void FairQueue::set_share(std::uint32_t klass, Level level, std::uint32_t weight) {
  const std::size_t at = find(klass);
  if (at == flows_.size()) return;
  Flow& flow = flows_[at];
  count(flow, 0U - flow.list.size);
  flow.how.level = level;
  flow.how.weight = weight;
  // What it was charged at its old weight is not held against it, nor for it.
  flow.start = now_;
  count(flow, flow.list.size);
}

void FairQueue::push_back(Slab<RecipientEntry>& entries, std::uint32_t slot, std::uint32_t klass,
                          const Klass& how) {
  flow_of(klass, how).list.push_back(entries, slot);
}

void FairQueue::push_front(Slab<RecipientEntry>& entries, std::uint32_t slot, std::uint32_t klass,
                           const Klass& how) {
  flow_of(klass, how).list.push_front(entries, slot);
}

void FairQueue::remove(Slab<RecipientEntry>& entries, std::uint32_t slot, std::uint32_t klass) {
  Flow& flow = flows_[find(klass)];
  flow.list.remove(entries, slot);
  count(flow, 0U - 1U);
}

std::uint32_t FairQueue::peek(bool high_only) const {
  const Flow* best = nullptr;
  for (const Flow& flow : flows_) {
    if (flow.list.size == 0 || flow.how.is_suspended) continue;
    if (flow.how.level != Level::High && (high_only || high_ > 0)) continue;
    if (best == nullptr || flow.start < best->start) best = &flow;
  }
  return best == nullptr ? kNone : best->list.head;
}

void FairQueue::take(Slab<RecipientEntry>& entries, std::uint32_t slot, std::uint32_t klass) {
  Flow& flow = flows_[find(klass)];
  if (flow.how.level != Level::High) now_ = std::max(now_, flow.start);
  flow.start = std::max(flow.start, now_) + kQuantum / std::max<std::uint32_t>(1, flow.how.weight);
  remove(entries, slot, klass);
}

}  // namespace ekiden::queue
