#include "apps/stopped_node.hpp"

#include <sys/stat.h>

#include <future>

#include "apps/relay.hpp"
#include "ekiden/base/runtime.hpp"
#include "ekiden/control/quarantine_commands.hpp"
#include "ekiden/spool/posix_disk.hpp"

namespace ekiden::apps {
namespace {

/// Hands items to the command itself.
class DirectWriter final : public control::ResponseWriter {
 public:
  explicit DirectWriter(const cli::SeeItem& see) : see_(see) {}
  base::Task<bool> item(boost::json::object item) override { co_return !see_ || see_(item); }

 private:
  const cli::SeeItem& see_;
};

base::Task<void> answer(control::Handler handler, const control::Request& request,
                        control::ResponseWriter& writer, spool::Journal& journal, bool is_open,
                        std::promise<control::Answer>& answered) {
  control::Answer result = co_await handler(request, writer);
  if (!is_open) {
    answered.set_value(std::move(result));
    co_return;
  }
  // Closed before anything is printed: what was decided is on the disk by then.
  auto boxed = std::make_shared<control::Answer>(std::move(result));
  journal.close([boxed, &answered] { answered.set_value(std::move(*boxed)); });
}

}  // namespace

control::Answer answer_stopped(const config::Settings& settings, const control::Request& request,
                               const cli::SeeItem& see) {
  using control::Problem;
  const std::string root = settings.node.data_dir + "/spool";
  struct stat status;
  // Opening it would make it.
  if (::stat(root.c_str(), &status) != 0)
    return Problem{"unavailable", "there is no spool in " + root};
  Result<std::unique_ptr<spool::PosixDisk>> disk = spool::PosixDisk::open_root(root);
  if (!disk) return Problem{"unavailable", root + " cannot be opened: " + disk.error().message()};

  base::RuntimeOptions options;
  options.workers = 1;
  base::Runtime runtime(options);
  base::Worker& worker = runtime.worker(0);
  base::SystemRandom random;
  base::Metrics metrics;
  spool::Journal journal(journal_options(settings), **disk, runtime.committer().executor(),
                         runtime.committer().clock(), runtime.pool(), random);
  // A released message is found by the next start.
  control::QuarantineDesk desk({journal.quarantine(), runtime.pool(), worker.executor, worker.clock,
                                worker.random, metrics, [](queue::Accepted) {}});
  control::Handler handler = control::quarantine_handler(desk, request.command);
  if (!handler)
    return Problem{"not_running", "no relay is running with data_dir " + settings.node.data_dir};
  // Looking needs no more than the files; a decision is written to the journal.
  const bool decides =
      request.command == "quarantine.release" || request.command == "quarantine.delete";
  if (decides) {
    const Result<void> recovered = journal.recover([](const spool::Recovered&) {});
    if (!recovered)
      return Problem{"unavailable", root + " cannot be read: " + recovered.error().message()};
  }
  DirectWriter writer(see);
  std::promise<control::Answer> answered;
  base::TaskGroup tasks(worker);
  worker.executor.post([&] {
    base::Task<void> task = answer(std::move(handler), request, writer, journal, decides, answered);
    tasks.spawn(std::move(task));
  });
  runtime.start();
  control::Answer result = answered.get_future().get();
  runtime.stop();
  runtime.drop();
  return result;
}

}  // namespace ekiden::apps
