#include "apps/control_plane.hpp"

#include <unistd.h>

#include "ekiden/base/private_file.hpp"
#include "ekiden/control/egress_commands.hpp"
#include "ekiden/control/handlers.hpp"
#include "ekiden/control/protocol.hpp"
#include "ekiden/control/tls_report_commands.hpp"

#ifndef EKIDEN_VERSION
#define EKIDEN_VERSION "unknown"
#endif

namespace ekiden::apps {
namespace {

constexpr const char* kSuspensionsFile = "/suspensions.json";
constexpr const char* kOperationsFile = "/operations.json";

/// Whoever changed the control store is answered when what they changed counts.
base::Task<control::Answer> refresh(std::function<void(base::Work)> look) {
  auto begin = [&look](base::Completion<bool> done) {
    look([done = std::move(done)]() mutable { done(true); });
  };
  (void)co_await base::suspend<bool>(std::move(begin));
  co_return control::Answer(boost::json::object{});
}

/// Writes on the pool, answers on the worker.
control::SaveOctets saver(base::Executor& pool, base::Executor& home, std::string path) {
  return [&pool, &home, path = std::move(path)](std::string octets,
                                                base::Completion<Result<void>> done) {
    pool.post([&home, path, octets = std::move(octets), done = std::move(done)]() mutable {
      const Result<void> written = base::replace_private_file(path, octets);
      home.post([written, done = std::move(done)]() mutable { done(written); });
    });
  };
}

}  // namespace

ControlPlane::ControlPlane(Parts parts)
    : parts_(std::move(parts)),
      started_(parts_.worker.clock.now()),
      data_dir_(parts_.relay.settings()->node.data_dir),
      node_(
          {parts_.worker, parts_.relay.neighbours(), parts_.relay.spool(), parts_.pool,
           parts_.metrics, saver(parts_.pool, parts_.worker.executor, data_dir_ + kSuspensionsFile),
           saver(parts_.pool, parts_.worker.executor, data_dir_ + kOperationsFile),
           [this](control::NodeStatus& status) { describe(status); }, parts_.reload, parts_.drain}),
      server_(parts_.worker) {
  control::add_handlers(server_, node_, parts_.worker.clock);
  control::add_egress_handlers(server_, parts_.relay.neighbours(), parts_.worker.executor);
  control::add_tls_report_handlers(server_, parts_.tls_reports);
  server_.add(std::string(control::kStoreRefresh),
              [look = parts_.refresh_store](const control::Request&, control::ResponseWriter&) {
                return refresh(look);
              });
}

bool ControlPlane::restore(std::string& problem) {
  const auto read = [&](const char* file, std::size_t octets_max, const char* what, auto load) {
    const std::string path = data_dir_ + file;
    const Result<std::string> octets = base::load_or_create_private_file(
        path, [] { return std::string(); }, octets_max);
    if (!octets) {
      problem = path + " cannot be read: " + octets.error().message();
      return false;
    }
    if (load(*octets)) return true;
    problem = path + " is damaged; it says what operators have " + what + ". Repair or remove it";
    return false;
  };
  return read(kSuspensionsFile, control::SuspensionBook::kFileOctetsMax, "suspended",
              [this](std::string_view octets) { return node_.restore_suspensions(octets); }) &&
         read(kOperationsFile, control::OperationBook::kFileOctetsMax, "begun",
              [this](std::string_view octets) { return node_.restore_operations(octets); });
}

bool ControlPlane::start(std::string& problem) {
  node_.start();
  const std::string path = control::socket_path(data_dir_);
  const Result<void> listening = server_.listen(path);
  if (listening) return true;
  problem = "cannot listen on " + path + ": " + listening.error().message();
  return false;
}

void ControlPlane::stop() {
  node_.stop([] {});
  server_.stop([] {});
}

void ControlPlane::describe(control::NodeStatus& status) const {
  const std::shared_ptr<const config::Settings> settings = parts_.relay.settings();
  status.version = EKIDEN_VERSION;
  status.hostname = settings->node.hostname;
  status.config_file = parts_.config_file;
  status.pid = static_cast<std::uint64_t>(::getpid());
  status.started = started_;
  status.sessions = parts_.relay.sessions();
  status.memory_octets = parts_.relay.budget().used();
  if (settings->retry.time_scale != 1.0)
    status.alerts.push_back("retry.time_scale is not 1: this is for tests only");
  // A rest is told to every worker, so this one knows of all.
  const delivery::Dispatcher& here = parts_.relay.neighbours().at(parts_.worker.index);
  const shaping::Moment now = here.moment();
  for (const auto& [source, rest] : here.egress().rests())
    if (rest.until > now.steady)
      status.alerts.push_back("source " + source + " rests until " +
                              base::format_rfc3339(now.wall + (rest.until - now.steady)) + ": " +
                              rest.why);
}

}  // namespace ekiden::apps
