#include "apps/reloader.hpp"

#include <tuple>

#include "apps/tls_files.hpp"
#include "ekiden/base/log.hpp"
#include "ekiden/config/reader.hpp"
#include "ekiden/net/unix_socket.hpp"
#include "ekiden/shaping/providers.hpp"

namespace ekiden::apps {
namespace {

/// What is in the file and cannot change while the relay runs.
std::vector<std::string> needing_restart(const config::Settings& now,
                                         const config::Settings& next) {
  std::vector<std::string> said;
  const auto note = [&](bool differs, const char* key) {
    if (differs) said.push_back(std::string(key) + " has changed; it needs a restart");
  };
  note(now.node.data_dir != next.node.data_dir, "node.data_dir");
  note(now.node.id != next.node.id, "node.id");
  note(now.node.workers != next.node.workers, "node.workers");
  note(now.dns.mode != next.dns.mode || now.dns.forward != next.dns.forward ||
           now.dns.dnssec != next.dns.dnssec || now.dns.stub != next.dns.stub ||
           now.dns.trust_anchors != next.dns.trust_anchors,
       "[dns]");
  note(now.spool.commit_interval != next.spool.commit_interval ||
           now.spool.disk_reserve != next.spool.disk_reserve,
       "spool.commit_interval or spool.disk_reserve");
  note(now.events.retention != next.events.retention ||
           now.events.backlog_max != next.events.backlog_max,
       "[events]");
  note(now.passwords.memory != next.passwords.memory ||
           now.passwords.iterations != next.passwords.iterations ||
           now.passwords.parallel != next.passwords.parallel,
       "[passwords]");
  note(now.tls_reports.from != next.tls_reports.from ||
           now.tls_reports.contact != next.tls_reports.contact ||
           now.tls_reports.organization != next.tls_reports.organization ||
           now.tls_reports.max_delay != next.tls_reports.max_delay,
       "[tls_reports]");
  note(now.log.level != next.log.level || now.log.format != next.log.format, "[log]");
  const auto endpoints = [](const config::Settings& settings) {
    std::vector<std::tuple<net::Endpoint, config::HttpTls, std::vector<config::HttpService>>> all;
    for (const config::Http& http : settings.http)
      all.emplace_back(http.address, http.tls, http.services);
    return all;
  };
  note(endpoints(now) != endpoints(next), "[[http]]");
  return said;
}

}  // namespace

struct Reloader::Attempt {
  std::shared_ptr<const config::Settings> settings;
  TlsFiles tls;
  std::optional<Rewriting> rewriting;
  std::shared_ptr<const shaping::Providers> providers;
  control::Reloaded reloaded;
  bool is_usable = false;
};

void Reloader::reload(base::Completion<control::Reloaded> done) {
  waiting_.push_back(std::move(done));
  if (!is_running_) begin();
}

void Reloader::begin() {
  is_running_ = true;
  asking_ = std::exchange(waiting_, {});
  net::notify_service_manager("RELOADING=1");
  parts_.pool.post([this] {
    auto attempt = std::make_shared<Attempt>();
    config::Loaded loaded = config::load(parts_.file);
    shaping::check_rules(loaded);
    for (const config::Diagnostic& diagnostic : loaded.diagnostics)
      attempt->reloaded.messages.push_back(config::format_diagnostic(diagnostic));
    if (loaded.ok()) {
      std::string problem;
      attempt->is_usable =
          read_tls_files(loaded.settings, parts_.worker.clock.now(), attempt->tls, problem);
      if (attempt->is_usable) {
        attempt->rewriting = parts_.relay.make_rewriting(loaded.settings, problem);
        attempt->is_usable = attempt->rewriting.has_value();
        attempt->providers = shaping::load_providers(loaded.settings.shaping.rules_dir).providers;
      }
      if (!attempt->is_usable) attempt->reloaded.messages.push_back(std::move(problem));
    }
    attempt->settings = std::make_shared<const config::Settings>(std::move(loaded.settings));
    parts_.worker.executor.post([this, attempt] { apply(attempt); });
  });
}

void Reloader::apply(std::shared_ptr<Attempt> attempt) {
  if (!attempt->is_usable) {
    finish(std::move(attempt->reloaded));
    return;
  }
  std::vector<std::string> later = needing_restart(*parts_.relay.settings(), *attempt->settings);
  std::string problem;
  parts_.relay.set_providers(attempt->providers);
  const bool is_taken = parts_.relay.reload(
      attempt->settings, problem,
      [this, attempt, later = std::move(later)](std::vector<std::string> failures) mutable {
        control::Reloaded& reloaded = attempt->reloaded;
        reloaded.is_applied = true;
        for (auto* list : {&later, &failures})
          for (std::string& message : *list) reloaded.messages.push_back(std::move(message));
        finish(std::move(reloaded));
      },
      std::move(attempt->rewriting));
  if (is_taken) {
    attempt->tls.put_in_force(parts_.tls);
    return;
  }
  attempt->reloaded.messages.push_back(std::move(problem));
  finish(std::move(attempt->reloaded));
}

void Reloader::finish(control::Reloaded reloaded) {
  if (reloaded.is_applied) {
    base::log::info("reloaded", {{"file", parts_.file}});
  }
  for (const std::string& message : reloaded.messages)
    base::log::warning(reloaded.is_applied ? "reload_warning" : "reload_refused",
                       {{"problem", message}});
  net::notify_service_manager("READY=1");
  is_running_ = false;
  for (auto& done : std::exchange(asking_, {})) done(reloaded);
  if (!waiting_.empty() && !is_running_) begin();
}

}  // namespace ekiden::apps
