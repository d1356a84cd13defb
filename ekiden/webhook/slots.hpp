#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <string>

#include "ekiden/base/task.hpp"
#include "ekiden/base/worker.hpp"

namespace ekiden::webhook {

/// How many posts are under way at once, and so how much memory they take; and how many of one
/// tenant, so that its dead endpoints do not keep those of others waiting. First come, first
/// served.
///
/// Sharing: its worker.
class Slots {
 public:
  static constexpr std::size_t kAll = 64;
  static constexpr std::size_t kOfOneTenant = 8;

  explicit Slots(base::Worker& worker) : worker_(worker) {}

  base::Task<void> take(std::string tenant);
  void give(const std::string& tenant);
  /// The threads have ended: destroys the coroutines that wait.
  void drop();

 private:
  bool may_take(const std::string& tenant) const;
  void serve();

  struct Waiting {
    std::string tenant;
    base::Completion<int> done;
  };
  base::Worker& worker_;
  std::size_t taken_ = 0;
  std::map<std::string, std::size_t> taken_by_;
  std::deque<Waiting> waiting_;
};

}  // namespace ekiden::webhook
