#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "ekiden/delivery/dispatcher.hpp"

namespace ekiden::delivery {

/// One connection's supply of jobs, on the connection's worker; the site's owner may be another.
class ConnectionFeed final : public Feed {
 public:
  ConnectionFeed(Dispatcher& here, unsigned owner, std::uint64_t link, std::uint32_t lane_batch,
                 bool is_paced = false);
  ~ConnectionFeed() override;

  base::Task<std::optional<Job>> next(base::Steady deadline) override;
  void finish(JobResult result) override;

  /// From the owner.
  void granted(std::vector<Job> jobs);

  /// Nothing more comes: the connection ends once it has done what was granted.
  void dismiss() {
    is_dismissed_ = true;
    resume(false);
  }

  /// Destroys the connection that waits, and with it the feed: the process ends.
  void drop() { const base::Completion<bool> waiting = std::exchange(waiting_, {}); }

  /// Jobs that were granted and never taken go back to the owner.
  void return_unused();

 private:
  void ask(std::uint32_t wants);
  void resume(bool has_job);
  void stop_asking();
  void watch_unused();

  Dispatcher& here_;
  unsigned owner_;
  std::uint64_t link_;
  std::uint32_t batch_;
  bool is_paced_;
  bool is_asking_ = false;
  bool is_dismissed_ = false;
  std::deque<Job> jobs_;
  std::vector<std::pair<base::MessageId, std::shared_ptr<const message::Meta>>> outstanding_;
  base::Completion<bool> waiting_;
  base::TimerId timer_ = base::TimerId::None;
  std::uint64_t taken_ = 0;  ///< jobs
  base::TimerId unused_timer_ = base::TimerId::None;
};

}  // namespace ekiden::delivery
