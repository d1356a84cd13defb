#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ekiden/base/worker.hpp"

namespace ekiden::simulation {

/// Time, posts and coroutines of a whole simulated relay on one thread, from one seed.
///
/// Nothing happens but what stands in the agenda; time jumps to the next entry when everything
/// is idle. Posts between workers arrive after a delay that the seed chooses, in order for one
/// executor that promises order. The wall clock runs along and may be made to jump.
class World {
 public:
  explicit World(std::uint64_t seed);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  base::Random& random() { return random_; }
  base::IoContext& io() { return *io_; }
  base::Steady steady() const { return steady_; }
  base::Time now() const { return base::Time(steady_.time_since_epoch()) + wall_offset_; }
  void jump_wall_clock(base::Duration by) { wall_offset_ += by; }

  std::uint64_t at(base::Steady when, base::Work work);
  std::uint64_t after(base::Duration delay, base::Work work) {
    return at(steady_ + delay, std::move(work));
  }
  bool cancel(std::uint64_t id);

  /// Runs until the agenda has nothing before `until`, or somebody says `stop`. False when
  /// `steps_max` ran out first.
  bool run_until(base::Steady until, std::uint64_t steps_max = 50'000'000);
  bool run_for(base::Duration time) { return run_until(steady_ + time); }

  /// Ends the run that is under way, before time moves on.
  void stop() { is_stopped_ = true; }

  /// Drops whatever is waiting, as the end of a process does.
  void drop_everything();

  std::uint64_t steps() const { return steps_; }

 private:
  struct Key {
    base::Steady when;
    std::uint64_t id;
    friend auto operator<=>(const Key&, const Key&) = default;
  };
  struct Context : base::IoContext {
    Context() : base::IoContext(1) {}
    using base::IoContext::shutdown;
  };

  base::SeededRandom random_;
  std::unique_ptr<Context> io_;
  std::vector<std::unique_ptr<Context>> old_;  ///< of earlier lives
  base::Steady steady_;
  base::Duration wall_offset_{};
  std::map<Key, base::Work> agenda_;
  std::map<std::uint64_t, base::Steady> when_;
  std::uint64_t next_id_ = 1;
  std::uint64_t steps_ = 0;
  bool is_stopped_ = false;
};

/// Timers of one simulated worker.
class SimulatedClock final : public base::Clock {
 public:
  explicit SimulatedClock(World& world) : world_(world) {}
  base::Time now() const override { return world_.now(); }
  base::Steady steady() const override { return world_.steady(); }
  base::TimerId call_at(base::Steady when, base::Work work) override {
    return base::TimerId{world_.at(std::max(when, world_.steady()), std::move(work))};
  }
  bool cancel(base::TimerId id) override { return world_.cancel(static_cast<std::uint64_t>(id)); }

 private:
  World& world_;
};

enum class Order { Kept, Any };

/// How long a post between workers may be on its way.
inline constexpr base::Duration kPostDelayMax{20};

/// Runs posts after a delay from the seed, `Kept` in order as a worker does, `Any` as a pool.
class SimulatedExecutor final : public base::Executor {
 public:
  SimulatedExecutor(World& world, Order order, base::Duration delay_max)
      : world_(world), order_(order), delay_max_(delay_max) {}
  void post(base::Work work) override;

 private:
  World& world_;
  Order order_;
  base::Duration delay_max_;
  base::Steady last_{};
};

/// One simulated worker, with what base::Worker refers to.
class SimulatedWorker {
 public:
  SimulatedWorker(World& world, unsigned index);
  base::Worker& worker() { return worker_; }

 private:
  SimulatedClock clock_;
  SimulatedExecutor executor_;
  base::SeededRandom random_;
  base::Worker worker_;
};

}  // namespace ekiden::simulation
