// The real process: threads, sockets, files, signals, around one Relay.
#include "apps/node.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <future>
#include <thread>

#include "apps/archive_node.hpp"
#include "apps/bulk_node.hpp"
#include "apps/control_plane.hpp"
#include "apps/egress_file.hpp"
#include "apps/http_endpoints.hpp"
#include "apps/mta_sts_file.hpp"
#include "apps/place.hpp"
#include "apps/reloader.hpp"
#include "apps/signals.hpp"
#include "apps/tls_files.hpp"
#include "apps/tls_report_node.hpp"
#include "apps/webhook_node.hpp"
#include "ekiden/account/password_pool.hpp"
#include "ekiden/account/store.hpp"
#include "ekiden/account/store_watcher.hpp"
#include "ekiden/account/throttle.hpp"
#include "ekiden/base/log.hpp"
#include "ekiden/base/runtime.hpp"
#include "ekiden/delivery/key_watch.hpp"
#include "ekiden/delivery/message_signer.hpp"
#include "ekiden/events/reader.hpp"
#include "ekiden/events/store.hpp"
#include "ekiden/feedback/suppression_feed.hpp"
#include "ekiden/net/unix_socket.hpp"
#include "ekiden/shaping/providers.hpp"
#include "ekiden/spool/posix_disk.hpp"

namespace ekiden::apps {
namespace {

constexpr int kFailed = 3;

/// One page holds the acceptances of every message that our limits let in.
std::optional<events::Event> find_accepted(const std::string& folder, base::MessageId message,
                                           std::uint32_t recipient) {
  events::Reader reader(folder);
  events::Query query;
  query.message = message;
  query.kind = events::Kind::Accepted;
  query.limit = events::Reader::kLimitMax;
  const Result<events::Page> page = reader.find(query);
  if (!page) return std::nullopt;
  for (const events::Stored& stored : page->events)
    if (stored.event.recipient_index == recipient) return stored.event;
  return std::nullopt;
}

/// Complaints are a signal of warm-ups, which live with the worker that owns the provider.
feedback::HearComplaints hear_complaints(const delivery::Neighbours& neighbours) {
  return [&neighbours](const std::vector<feedback::Complaint>& complaints) {
    for (const feedback::Complaint& complaint : complaints) {
      for (unsigned i = 0; i < neighbours.count(); ++i) {
        delivery::Dispatcher& there = neighbours.at(i);
        neighbours.send(i, [&there, complaint] {
          there.complained(complaint.source, complaint.provider, complaint.host);
        });
      }
    }
  };
}

int fail(const std::string& sentence) {
  base::log::stop();
  std::fprintf(stderr, "ekiden: %s\n", sentence.c_str());
  return kFailed;
}

events::Store::Counters event_counters(base::Metrics& metrics, events::OutcomeMeter& outcomes) {
  const auto events = [&metrics](const char* result) {
    return &metrics.counter("ekiden_events_total", "Events that the event store was given",
                            {{"result", result}});
  };
  return {events("stored"),
          events("known"),
          events("unread"),
          &metrics.counter("ekiden_event_files_corrupt_total", "Event files set aside as damaged"),
          &outcomes,
          &metrics.gauge("ekiden_event_files_overdue",
                         "Event files past events.retention that cannot be removed")};
}

/// Days end on a quiet node too. On the events' thread.
void remove_old_hourly(events::Store& store, base::Clock& clock) {
  clock.call_after(std::chrono::hours(1), [&store, &clock] {
    store.remove_old();
    remove_old_hourly(store, clock);
  });
}

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
  runtime_options.workers = settings->node.workers != 0
                                ? settings->node.workers
                                : std::max(std::thread::hardware_concurrency(), 1U);
  base::Runtime runtime(runtime_options);
  // It catches up in what time mail leaves; the spool keeps events meanwhile.
  base::LoopThread events_thread("events", 10);
  base::SystemRandom random;
  std::string problem;

  Result<std::unique_ptr<spool::PosixDisk>> disk = spool::PosixDisk::open_root(data_dir + "/spool");
  if (!disk)
    return fail("the spool in " + data_dir + "/spool cannot be opened: " + disk.error().message());

  Result<std::unique_ptr<account::Store>> accounts =
      account::Store::open(data_dir, runtime.worker(0).clock.now(), &problem);
  if (!accounts) return fail("the control store in " + data_dir + " cannot be opened: " + problem);
  Result<std::unique_ptr<account::TemplateStore>> templates =
      account::TemplateStore::open(data_dir);
  if (!templates) return fail("the templates in " + data_dir + " cannot be opened");
  // From the first message on it is known who may send what, and who gets none.
  if (const auto read = (*accounts)->refresh(); !read)
    return fail("the control store in " + data_dir + " cannot be read: " + read.error().message());
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
  TlsFiles tls_files;
  if (!read_tls_files(*settings, runtime.worker(0).clock.now(), tls_files, problem))
    return fail(problem);
  tls_files.put_in_force(tls);

  const shaping::LoadedProviders providers = shaping::load_providers(settings->shaping.rules_dir);
  if (!providers.providers)
    return fail("shaping.rules_dir cannot be used; see `ekiden config check`");

  events::OutcomeMeter outcomes(metrics);
  events::Store event_store(
      events_thread.loop().clock(),
      {data_dir + "/events", settings->events.retention, settings->retention.transcripts},
      event_counters(metrics, outcomes));
  ArchiveNode archive(*settings, *node_key, metrics);

  std::vector<std::unique_ptr<Place>> places;
  std::vector<RelayWorker> workers;
  for (unsigned i = 0; i < runtime.worker_count(); ++i) {
    base::Worker& worker = runtime.worker(i);
    Result<std::unique_ptr<dns::UnboundResolver>> resolver =
        dns::UnboundResolver::create(worker, resolver_options(*settings));
    if (!resolver) return fail("the resolver cannot start: " + resolver.error().message());
    places.push_back(std::make_unique<Place>(worker, std::move(*resolver), tls, authentication,
                                             authentication_options));
    workers.push_back(places.back()->relay_worker(tls));
  }

  // All of it on worker 0.
  base::Worker& first = runtime.worker(0);
  WebhookNode webhooks(*places.front(), tls, runtime.pool(), event_store);
  if (!webhooks.open(*settings, *node_key, problem)) return fail(problem);
  policy::MtaStsBook policies;
  MtaStsFile policies_file(policies, first, runtime.pool(), data_dir);
  TlsReportNode tls_reports(*settings, *places.front(), tls, runtime.pool(), policies);

  delivery::MessageSigner signer(**accounts, *node_key);
  Surroundings surroundings{std::move(workers),
                            **disk,
                            runtime.committer().executor(),
                            runtime.committer().clock(),
                            runtime.pool(),
                            events_thread.loop().executor(),
                            events_thread.loop().clock(),
                            webhooks.sink(),
                            **accounts,
                            random,
                            metrics};
  surroundings.secret = &*node_key;
  surroundings.signer = &signer;
  surroundings.mta_sts = &policies;
  surroundings.observe_tls = tls_reports.observer();
  surroundings.providers = providers.providers;
  surroundings.keep_copy = archive.keep_copy();
  auth::DomainBook domains;
  // Without the list, names without a DMARC record are organizations of their own.
  const Result<auth::PublicSuffixList> suffixes = auth::PublicSuffixList::load_newest();
  surroundings.domains = &domains;
  surroundings.find_accepted = [folder = data_dir + "/events"](base::MessageId message,
                                                               std::uint32_t recipient) {
    return find_accepted(folder, message, recipient);
  };
  if (suffixes) surroundings.suffixes = &*suffixes;
  BulkNode bulk;
  if (!bulk.open(data_dir, problem)) return fail(problem);
  surroundings.jobs = &bulk.watch();
  Relay relay(std::move(surroundings), settings);
  if (!relay.open(problem)) return fail(problem);
  bulk.attach(relay, first, runtime.pool(), metrics, data_dir);

  tls_reports.use(relay, metrics);
  EgressFile egress_file(relay.neighbours(), first, runtime.pool(), data_dir);

  std::promise<int> finished;
  std::function<void(int)> stop;
  std::optional<account::StoreWatcher> watcher;
  api::Unsubscribing unsubscribing({first, runtime.pool(), **accounts, *node_key,
                                    data_dir + "/events",
                                    [&](std::string event, base::Completion<Result<void>> done) {
                                      relay.record(std::move(event), std::move(done));
                                    },
                                    metrics});
  std::vector<RelayWorker> http_workers;
  for (const auto& place : places) http_workers.push_back(place->relay_worker(tls));
  HttpEndpoints http({std::move(http_workers), runtime.pool(), tls, relay, metrics, **accounts,
                      webhooks.ledger(), *node_key, unsubscribing, bulk.desk(), **templates});
  Reloader reloader({loaded.file, first, runtime.pool(), relay, tls});
  ControlPlane control(
      {first, runtime.pool(), relay, metrics, loaded.file,
       [&](base::Completion<control::Reloaded> done) { reloader.reload(std::move(done)); },
       // In a turn of its own, so that whoever asked is answered.
       [&] { first.executor.post([&] { stop(0); }); },
       // The socket answers from a little before the watcher is there until a little after.
       [&](base::Work done) { watcher ? watcher->look(std::move(done)) : done(); },
       tls_reports.reporter()});
  if (!control.restore(problem)) return fail(problem);
  http.use(control.node());

  bool is_stopping = false;
  stop = [&](int code) {
    if (std::exchange(is_stopping, true)) return;
    base::log::info("stopping", {});
    net::notify_service_manager("STOPPING=1");
    http.stop([] {});
    webhooks.stop();
    tls_reports.stop();
    bulk.stop();
    control.stop();
    relay.stop(relay.settings()->node.shutdown_timeout,
               [&finished, code] { finished.set_value(code); });
  };
  std::optional<delivery::KeyWatch> key_watch;
  std::optional<feedback::SuppressionFeed> suppression_feed;
  Signals signals(
      first.io.context(), [&] { stop(0); }, [&] { reloader.reload([](control::Reloaded) {}); });

  events_thread.loop().executor().post(
      [&] { remove_old_hourly(event_store, events_thread.loop().clock()); });
  events_thread.start();
  archive.start();
  runtime.start();
  first.executor.post([&] {
    watcher.emplace(first, runtime.pool(), **accounts, [&] { relay.refresh_streams(); });
    suppression_feed.emplace(first, runtime.pool(), **accounts, data_dir + "/events",
                             providers.providers, metrics, hear_complaints(relay.neighbours()));
    key_watch.emplace(first, places.front()->resolver, runtime.pool(), **accounts, signer);
    const auto started = [&](const std::string& said) {
      if (!said.empty()) {
        base::log::error("start_failed", {{"problem", said}});
        stop(kFailed);
        return;
      }
      base::log::info("started", {{"hostname", settings->node.hostname},
                                  {"workers", runtime.worker_count()},
                                  {"listeners", settings->listener.size()}});
      net::notify_service_manager("READY=1");
    };
    relay.start([&, started](std::string said) {
      if (said.empty()) (void)control.start(said);
      if (!said.empty()) return started(said);
      bulk.start();
      http.listen([&, started](std::string problem) {
        if (problem.empty()) webhooks.start(**accounts, relay, metrics);
        if (problem.empty()) tls_reports.start();
        started(problem);
      });
    });
  });

  const int code = finished.get_future().get();
  runtime.stop();
  archive.stop();
  events_thread.stop();
  suppression_feed.reset();
  key_watch.reset();
  watcher.reset();
  webhooks.drop();
  tls_reports.abandon();
  bulk.abandon();
  relay.abandon();
  passwords.abandon();
  runtime.drop();
  bulk.drop();
  policies_file.save_now();
  tls_reports.save_now();
  egress_file.save_now();
  if (const auto saved = (*accounts)->save_usage(); !saved)
    base::log::error("usage_not_saved", {{"reason", saved.error().message()}});
  events_thread.loop().drop();
  base::log::info("stopped", {});
  base::log::stop();
  return code;
}

}  // namespace ekiden::apps
