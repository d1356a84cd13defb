#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ekiden/control/live_node.hpp"
#include "tests/simulation/simulated_relay.hpp"

namespace ekiden::simulation {

/// A deletion that the operator was told to be over: what it meant is gone.
struct Deletion {
  control::Filter filter;
  base::Steady ordered, over;
};

/// They outlive the relay, as `suspensions.json` and `operations.json` do; and so does what an
/// operator remembers.
struct DeskFiles {
  std::string suspensions, operations;
  std::vector<Deletion> deletions;
};

/// The operator's end of one life of the relay: what the control socket's commands do.
class Desk {
 public:
  Desk(World& world, SimulatedRelay& relay, DeskFiles& files);

  void act(control::QueueAction action, control::Filter filter, std::string argument);
  /// To what is no next hop: nothing happens, and it is said why.
  void reroute_in_vain(std::string argument);
  void suspend(control::SuspendScope scope);
  void resume_all();
  void release_all();
  /// Looks at what was set aside, and releases or deletes each, as the seed says.
  void sort_quarantine();
  /// Notes in `seen` how often pages show each recipient, and looks at each in every way.
  void look(std::map<std::pair<base::MessageId, std::uint32_t>, int>* seen);
  /// What an operator looks at while mail goes on.
  void browse();
  void stop() {
    node_.stop([] {});
  }

  /// Those of this life, and of earlier ones those that go on.
  const std::vector<std::shared_ptr<control::Operation>>& operations() const { return operations_; }
  /// What a command did that it should not, a sentence each.
  const std::vector<std::string>& problems() const { return problems_; }

 private:
  base::Task<void> run_act(control::QueueAction action, control::Filter filter,
                           std::string argument);
  void watch(std::shared_ptr<control::Operation> operation, Deletion deletion, std::size_t acts);
  base::Task<void> run_in_vain(std::string argument);
  base::Task<void> run_quarantine();
  base::Task<void> run_browse();
  base::Task<void> run_suspend(control::SuspendScope scope);
  base::Task<void> run_resume_all();
  base::Task<void> run_look(std::map<std::pair<base::MessageId, std::uint32_t>, int>* seen);
  void expect(bool is_true, std::string problem) {
    if (!is_true) problems_.push_back(std::move(problem));
  }

  World& world_;
  SimulatedRelay& relay_;
  DeskFiles& files_;
  std::size_t acts_ = 0;
  base::TaskGroup tasks_;
  std::vector<std::shared_ptr<control::Operation>> operations_;
  std::vector<std::string> problems_;
  control::LiveNode node_;
};

}  // namespace ekiden::simulation
