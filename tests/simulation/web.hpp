#pragma once

#include <functional>
#include <map>
#include <memory>

#include "ekiden/bulk/expander.hpp"
#include "tests/simulation/clients.hpp"
#include "tests/simulation/simulated_relay.hpp"

namespace ekiden::simulation {

/// What is wished of each job, which outlives the relay, as `jobs.db` does.
struct JobWishes {
  std::map<base::MessageId, bulk::Expander::Wish> wishes;
};

/// What comes over HTTP in one life of the relay, behind the API's own reading of it: single
/// messages, and jobs, which are one content for many recipients.
class Web {
 public:
  Web(World& world, SimulatedRelay& relay, JobWishes& wishes);

  /// `accepted` is called at each 250.
  void submit(std::shared_ptr<Submission> mail, std::function<void()> accepted);
  /// Each mail is one row, with one recipient; `send_at` zero: at once.
  void begin_job(Submissions rows, base::Time send_at, std::function<void()> accepted);
  /// Of every job that there is. What is cancelled stays so.
  void wish(bulk::Expander::Wish wish);

 private:
  base::Task<void> run_submit(std::shared_ptr<Submission> mail, std::function<void()> accepted);
  base::Task<void> run_job(Submissions rows, base::Time send_at, std::function<void()> accepted);

  World& world_;
  SimulatedRelay& relay_;
  JobWishes& wishes_;
  base::TaskGroup tasks_;
};

/// What a job's row becomes: as the API composes them, without its templates.
bulk::ComposeRow make_composer(const bulk::Head& head);

}  // namespace ekiden::simulation
