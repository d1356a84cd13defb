#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "ekiden/base/function.hpp"
#include "ekiden/spool/spool.hpp"

namespace ekiden::bulk {

/// A job that the spool had at start.
struct RecoveredJob {
  base::MessageId id;
  std::string meta;
  std::vector<spool::Progress> progress;
};

/// Stands at the spool's door: keeps jobs from those who deliver mail, and sees when a row's
/// message has been tried for the first time, so that an expander knows how many still wait.
///
/// Sharing: `recover` and the getters before the workers run; the rest on any thread.
class Watch {
 public:
  /// Takes a job out of what is recovered (true), and remembers rows that were never tried.
  bool recover(const spool::Recovered& found);
  std::vector<RecoveredJob> take_jobs() { return std::move(jobs_); }
  std::vector<base::MessageId> take_untried() { return std::move(untried_); }

  /// The port of a worker, watched.
  std::unique_ptr<spool::Port> watch(std::unique_ptr<spool::Port> port);

  /// `wake` is called, from any thread, when rows were tried and none was told before.
  void on_tried(base::Function<void()> wake);
  std::vector<base::MessageId> take_tried();

 private:
  class WatchedPort;
  void tried(const std::vector<base::MessageId>& rows);

  std::vector<RecoveredJob> jobs_;
  std::vector<base::MessageId> untried_;
  std::mutex mutex_;
  std::vector<base::MessageId> tried_;
  base::Function<void()> wake_;
};

}  // namespace ekiden::bulk
