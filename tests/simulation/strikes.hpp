#pragma once

#include <vector>

#include "tests/simulation/mailbag.hpp"
#include "tests/simulation/stage.hpp"

namespace ekiden::simulation {

/// Lets clients come and plagues strike, each when and as often as the seed says, and takes note
/// of what the relay may be excused for.
class Strikes {
 public:
  explicit Strikes(Stage& stage) : stage_(stage), mailbag_(stage) {}

  /// All of one life that lasts so long.
  void schedule(base::Duration lasts);
  /// Puts settings in force.
  void use(config::Settings settings);
  /// A life's end ends its troubles.
  void end_troubles();
  /// The disk forgets a bit of what it keeps: between two lives.
  void let_bits_rot();
  /// An operator wants none of what waits for some domains.
  void delete_some();
  /// The disk has its troubles at a start.
  void fail_start();

 private:
  void strike(Plague plague, base::Duration lasts, void (Strikes::*how)());
  void begin_trouble(std::vector<Span>& spans, base::Duration lasts);

  void storm();
  void break_dns();
  void heal_dns();
  void fill_disk();
  void break_disk();
  void break_reading();
  void browse();
  void lose_source();
  void let_disk_lie();
  void jump_clock();
  void reload();
  void reload_in_vain();
  void operate();
  void suspend_something();
  void break_events();
  void change_accounts();
  void cut_disk();
  void begin_job();
  void wish_of_jobs();
  void return_something();
  void sort_quarantine();
  void rot_where_it_hurts();
  void leave_something();

  Stage& stage_;
  Mailbag mailbag_;
};

}  // namespace ekiden::simulation
