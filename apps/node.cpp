// The real process: threads, sockets, files, signals, around one Relay.
#include "apps/node.hpp"

#include <sys/stat.h>

#include <boost/asio/signal_set.hpp>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <future>

#include "apps/http_endpoints.hpp"
#include "apps/relay.hpp"
#include "apps/tls_layers.hpp"
#include "ekiden/account/authenticator.hpp"
#include "ekiden/account/password_pool.hpp"
#include "ekiden/account/sasl_server.hpp"
#include "ekiden/account/store.hpp"
#include "ekiden/account/store_watcher.hpp"
#include "ekiden/account/throttle.hpp"
#include "ekiden/base/log.hpp"
#include "ekiden/base/runtime.hpp"
#include "ekiden/dns/caching_resolver.hpp"
#include "ekiden/dns/unbound_resolver.hpp"
#include "ekiden/events/store.hpp"
#include "ekiden/net/tcp_network.hpp"
#include "ekiden/spool/posix_disk.hpp"

namespace ekiden::apps {
namespace {

constexpr int kFailed = 3;

int fail(const std::string& sentence) {
  base::log::stop();
  std::fprintf(stderr, "ekiden: %s\n", sentence.c_str());
  return kFailed;
}

dns::UnboundResolver::Options resolver_options(const config::Settings& settings) {
  dns::UnboundResolver::Options options;
  switch (settings.dns.mode) {
    case config::DnsMode::System:
      options.mode = dns::Mode::System;
      break;
    case config::DnsMode::Forward:
      options.mode = dns::Mode::Forward;
      break;
    case config::DnsMode::Recursive:
      options.mode = dns::Mode::Recursive;
      break;
  }
  switch (settings.dns.dnssec) {
    case config::Dnssec::Auto:
      options.dnssec = dns::Dnssec::Auto;
      break;
    case config::Dnssec::Require:
      options.dnssec = dns::Dnssec::Require;
      break;
    case config::Dnssec::Off:
      options.dnssec = dns::Dnssec::Off;
      break;
  }
  options.forward = settings.dns.forward;
  for (const auto& [zone, server] : settings.dns.stub) options.stubs.emplace_back(zone, server);
  options.trust_anchors = settings.dns.trust_anchors;
  return options;
}

/// Reads certificates and trust store. False, with a sentence, when one cannot be used.
bool load_tls(const config::Settings& settings, TlsContexts& contexts, base::Time now,
              std::string& problem) {
  Result<std::shared_ptr<tls::ClientContext>> client =
      tls::ClientContext::load(settings.delivery.trust_store, problem);
  if (!client) return false;
  std::shared_ptr<tls::ServerContext> server;
  if (!settings.tls.certificate.empty()) {
    tls::ServerOptions options;
    options.certificates.push_back({settings.tls.certificate, settings.tls.private_key, {}});
    for (const config::Listener& listener : settings.listener)
      if (!listener.client_ca.empty()) options.client_ca_file = listener.client_ca;
    Result<std::shared_ptr<tls::ServerContext>> loaded =
        tls::ServerContext::load(options, now, problem);
    if (!loaded) return false;
    server = std::move(*loaded);
    for (const std::string& warning : server->warnings())
      base::log::warning("certificate", {{"problem", warning}});
  }
  contexts.client.store(std::move(*client));
  contexts.server.store(std::move(server));
  return true;
}

/// What one worker has beside the relay's own parts.
struct Place {
  Place(base::Worker& worker, std::unique_ptr<dns::UnboundResolver> resolver, TlsContexts& tls,
        const account::AuthenticatorShared& shared, const account::AuthenticatorOptions& options)
      : network(worker),
        unbound(std::move(resolver)),
        resolver(*unbound, worker.clock, worker.executor),
        authenticator(worker, shared, options),
        sasl(authenticator),
        server_tls(tls) {}

  net::TcpNetwork network;
  std::unique_ptr<dns::UnboundResolver> unbound;
  dns::CachingResolver resolver;
  account::Authenticator authenticator;
  account::SaslServer sasl;
  ServerTlsLayer server_tls;
  ProxyLayer proxy;
};

/// Signals, and what they ask for, on worker 0.
class Signals {
 public:
  Signals(base::IoContext& io, std::function<void()> stop, std::function<void()> reload)
      : set_(io, SIGTERM, SIGINT, SIGHUP), stop_(std::move(stop)), reload_(std::move(reload)) {
    wait();
  }

 private:
  void wait() {
    set_.async_wait([this](const boost::system::error_code& error, int signal) {
      if (error) return;
      if (signal == SIGHUP) {
        reload_();
      } else {
        stop_();
      }
      wait();
    });
  }
  boost::asio::signal_set set_;
  std::function<void()> stop_, reload_;
};

}  // namespace

int serve(config::Loaded loaded) {
  auto settings = std::make_shared<const config::Settings>(std::move(loaded.settings));
  std::signal(SIGPIPE, SIG_IGN);
  base::log::start(settings->log.level, settings->log.format);
  const std::string& data_dir = settings->node.data_dir;
  if (::mkdir(data_dir.c_str(), 0750) != 0 && errno != EEXIST)
    return fail("node.data_dir " + data_dir + " cannot be made: " + std::strerror(errno));

  base::Metrics metrics;
  base::RuntimeOptions runtime_options;
  runtime_options.workers = settings->node.workers;
  base::Runtime runtime(runtime_options);
  base::LoopThread events_thread("events");
  base::SystemRandom random;
  std::string problem;

  Result<std::unique_ptr<spool::PosixDisk>> disk = spool::PosixDisk::open_root(data_dir + "/spool");
  if (!disk)
    return fail("the spool in " + data_dir + "/spool cannot be opened: " + disk.error().message());

  Result<std::unique_ptr<account::Store>> accounts =
      account::Store::open(data_dir, runtime.worker(0).clock.now(), &problem);
  if (!accounts) return fail("the control store in " + data_dir + " cannot be opened: " + problem);
  const Result<account::HashKey> node_key = account::load_node_key(data_dir, random);
  if (!node_key)
    return fail(data_dir + "/secret.key cannot be read: " + node_key.error().message());
  account::Throttle throttle({}, random);
  account::PasswordPool passwords(runtime.pool(), {.parallel = settings->passwords.parallel});
  const account::AuthenticatorShared authentication{**accounts, throttle, passwords, *node_key,
                                                    metrics};
  account::AuthenticatorOptions authentication_options;
  authentication_options.cost = {settings->passwords.iterations, settings->passwords.memory};

  TlsContexts tls;
  if (!load_tls(*settings, tls, runtime.worker(0).clock.now(), problem)) return fail(problem);

  events::Store event_store(events_thread.loop().clock(),
                            {data_dir + "/events", settings->events.retention});

  std::vector<std::unique_ptr<Place>> places;
  std::vector<RelayWorker> workers;
  for (unsigned i = 0; i < runtime.worker_count(); ++i) {
    base::Worker& worker = runtime.worker(i);
    Result<std::unique_ptr<dns::UnboundResolver>> resolver =
        dns::UnboundResolver::create(worker, resolver_options(*settings));
    if (!resolver) return fail("the resolver cannot start: " + resolver.error().message());
    places.push_back(std::make_unique<Place>(worker, std::move(*resolver), tls, authentication,
                                             authentication_options));
    Place& place = *places.back();
    workers.push_back({worker, place.network, place.resolver, &place.sasl, &place.server_tls,
                       &place.proxy, client_tls(tls)});
  }

  Relay relay({std::move(workers), **disk, runtime.committer().executor(),
               runtime.committer().clock(), runtime.pool(), events_thread.loop().executor(),
               events_thread.loop().clock(), event_store, **accounts, random, metrics},
              settings);
  if (!relay.open(problem)) return fail(problem);

  HttpEndpoints http(runtime.worker(0), places.front()->network, tls, relay, metrics);

  std::promise<int> finished;
  bool is_stopping = false;  // worker 0 only
  const auto stop = [&](int code) {
    if (is_stopping) return;
    is_stopping = true;
    base::log::info("stopping", {});
    http.stop([] {});
    relay.stop(relay.settings()->node.shutdown_timeout,
               [&finished, code] { finished.set_value(code); });
  };
  const auto reload = [&] {
    runtime.pool().post([&] {
      config::Loaded again = config::load(loaded.file);
      std::string refused;
      for (const config::Diagnostic& error : again.errors())
        refused = config::format_diagnostic(error);
      auto fresh = std::make_shared<const config::Settings>(std::move(again.settings));
      if (refused.empty()) (void)load_tls(*fresh, tls, runtime.worker(0).clock.now(), refused);
      runtime.worker(0).executor.post([&, fresh, refused] {
        if (!refused.empty()) {
          base::log::error("reload_refused", {{"problem", refused}});
          return;
        }
        relay.reload(fresh);
        base::log::info("reloaded", {{"file", loaded.file}});
      });
    });
  };
  std::optional<account::StoreWatcher> watcher;
  Signals signals(
      runtime.worker(0).io.context(), [&] { stop(0); }, reload);

  events_thread.start();
  runtime.start();
  runtime.worker(0).executor.post([&] {
    watcher.emplace(runtime.worker(0), runtime.pool(), **accounts);
    relay.start([&](std::string said) {
      if (said.empty()) (void)http.listen(*settings, said);
      if (!said.empty()) {
        base::log::error("start_failed", {{"problem", said}});
        stop(kFailed);
        return;
      }
      base::log::info("started", {{"hostname", settings->node.hostname},
                                  {"workers", runtime.worker_count()},
                                  {"listeners", settings->listener.size()}});
    });
  });

  const int code = finished.get_future().get();
  runtime.stop();
  events_thread.stop();
  watcher.reset();
  relay.abandon();
  runtime.drop();
  events_thread.loop().drop();
  base::log::info("stopped", {});
  base::log::stop();
  return code;
}

}  // namespace ekiden::apps
