#include "tests/simulation/world.hpp"

#include <algorithm>

namespace ekiden::simulation {
namespace {

/// The simulated morning: 2026-01-01T00:00:00Z. Steady time starts at the same number, so that a
/// trace reads as dates.
constexpr base::Duration kStart = std::chrono::seconds(1'767'225'600);

}  // namespace

World::World(std::uint64_t seed)
    : random_(seed), io_(std::make_unique<Context>()), steady_(kStart) {}

World::~World() {
  drop_everything();
}

std::uint64_t World::at(base::Steady when, base::Work work) {
  const std::uint64_t id = next_id_++;
  agenda_.emplace(Key{std::max(when, steady_), id}, std::move(work));
  when_.emplace(id, std::max(when, steady_));
  return id;
}

bool World::cancel(std::uint64_t id) {
  const auto place = when_.find(id);
  if (place == when_.end()) return false;
  const Key key{place->second, id};
  when_.erase(place);
  // The work is destroyed after the agenda is whole again: it may cancel others.
  const base::Work dropped = [&] {
    const auto entry = agenda_.find(key);
    base::Work work = std::move(entry->second);
    agenda_.erase(entry);
    return work;
  }();
  return true;
}

bool World::run_until(base::Steady until, std::uint64_t steps_max) {
  is_stopped_ = false;
  for (std::uint64_t i = 0; i < steps_max; ++i) {
    if (io_->stopped()) io_->restart();
    steps_ += io_->poll();
    if (is_stopped_) return true;
    if (agenda_.empty() || agenda_.begin()->first.when > until) {
      steady_ = std::max(steady_, until);
      return true;
    }
    const auto first = agenda_.begin();
    steady_ = std::max(steady_, first->first.when);
    base::Work work = std::move(first->second);
    when_.erase(first->first.id);
    agenda_.erase(first);
    ++steps_;
    work();
  }
  return false;
}

void World::drop_everything() {
  // Destroying one coroutine may post, cancel or drop others. What it posts goes to the context it
  // began under, which therefore stays, shut down, until the world ends.
  for (int pass = 0; pass < 8; ++pass) {
    auto agenda = std::exchange(agenda_, {});
    when_.clear();
    agenda.clear();
    io_->shutdown();
    for (const auto& old : old_) old->shutdown();
  }
  old_.push_back(std::exchange(io_, std::make_unique<Context>()));
}

void SimulatedExecutor::post(base::Work work) {
  const base::Duration delay(static_cast<std::int64_t>(
      world_.random().below(static_cast<std::uint64_t>(delay_max_.count()) + 1)));
  base::Steady when = world_.steady() + delay;
  if (order_ == Order::Kept) {
    when = std::max(when, last_);
    last_ = when;
  }
  world_.at(when, std::move(work));
}

SimulatedWorker::SimulatedWorker(World& world, unsigned index)
    : clock_(world),
      executor_(world, Order::Kept, kPostDelayMax),
      random_(world.random().next()),
      worker_{index, world.io().get_executor(), executor_, clock_, random_} {}

}  // namespace ekiden::simulation
