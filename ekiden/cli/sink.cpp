#include "ekiden/cli/sink.hpp"

#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <thread>

#include "ekiden/base/runtime.hpp"
#include "ekiden/cli/sink_session.hpp"
#include "ekiden/net/tcp_network.hpp"
#include "ekiden/tls/certificate.hpp"

namespace ekiden::cli {
namespace {

constexpr unsigned kWorkersMax = 4;
constexpr std::chrono::seconds kStopMax(2);

bool add_rules(SinkShared& shared, const std::vector<std::string>& texts, const SinkRule& defaults,
               std::string& why) {
  for (const std::string& text : texts) {
    auto rule = parse_sink_rule(text, defaults, why);
    if (!rule) {
      why = "\"" + text + "\": " + why;
      return false;
    }
    shared.rules.push_back(std::move(*rule));
  }
  return true;
}

bool read_options(const SinkOptions& options, SinkShared& shared, std::string& why) {
  SinkRule defaults;
  defaults.reply = {550, {5, 1, 1}, {"No such user"}};
  if (!add_rules(shared, options.reject, defaults, why)) return false;
  defaults.reply = {451, {4, 7, 1}, {"Try again later"}};
  if (!add_rules(shared, options.defer, defaults, why)) return false;
  defaults.drops = true;
  defaults.stage = SinkStage::Eod;
  if (!add_rules(shared, options.drop, defaults, why)) return false;
  for (const std::string& text : options.latency) {
    const auto latency = parse_sink_latency(text, why);
    if (!latency) {
      why = "\"" + text + "\": " + why;
      return false;
    }
    shared.latencies.push_back(*latency);
  }
  if (options.tls == "starttls") {
    shared.tls = SinkTls::StartTls;
  } else if (options.tls == "implicit") {
    shared.tls = SinkTls::Implicit;
  } else if (options.tls != "off") {
    why = "tls is off, starttls or implicit";
    return false;
  }
  if (options.certificate.empty() != options.private_key.empty()) {
    why = "a certificate and its private key come together";
    return false;
  }
  if (!options.auth.empty()) {
    const std::size_t colon = options.auth.find(':');
    if (colon == 0 || colon == std::string::npos) {
      why = "auth is user:password";
      return false;
    }
    shared.user = options.auth.substr(0, colon);
    shared.password = options.auth.substr(colon + 1);
  }
  shared.smtp.hostname = options.hostname;
  shared.smtp.greeting = "ESMTP ekiden sink";
  shared.smtp.offers_starttls = shared.tls == SinkTls::StartTls;
  shared.smtp.requires_auth = !shared.user.empty();
  shared.smtp.size_max = options.message_size_max;
  shared.smtp.recipients_max = options.recipients_max;
  shared.smtp.errors_max = 1'000'000;
  return true;
}

bool load_certificate(const SinkOptions& options, SinkShared& shared, base::Time now,
                      std::string& why) {
  if (shared.tls == SinkTls::Off) return true;
  tls::CertificateSource source;
  source.certificate_file = options.certificate;
  source.private_key_file = options.private_key;
  if (options.certificate.empty()) {
    Result<tls::PemPair> made =
        tls::make_self_signed({options.hostname, "localhost", "127.0.0.1", "::1"}, now);
    if (!made) {
      why = made.error().message();
      return false;
    }
    source.pem = std::move(*made);
  }
  tls::ServerOptions server;
  server.certificates.push_back(std::move(source));
  auto context = tls::ServerContext::load(server, now, why);
  if (!context) {
    if (why.empty()) why = context.error().message();
    return false;
  }
  shared.context = std::move(*context);
  return true;
}

std::string format_totals(const SinkTotals& t) {
  return "{\"connections\":" + std::to_string(t.connections) +
         ",\"messages\":" + std::to_string(t.messages) +
         ",\"recipients\":" + std::to_string(t.recipients) +
         ",\"octets\":" + std::to_string(t.octets) + ",\"rejected\":" + std::to_string(t.rejected) +
         ",\"deferred\":" + std::to_string(t.deferred) +
         ",\"dropped\":" + std::to_string(t.dropped) + "}";
}

/// Readers never see half of it.
void write_totals(const std::string& path, const SinkTotals& totals) {
  if (path.empty()) return;
  std::ofstream(path + ".new", std::ios::trunc) << format_totals(totals) << '\n';
  std::rename((path + ".new").c_str(), path.c_str());
}

}  // namespace

/// Destroyed in reverse: listeners and networks after the runtime dropped what uses them.
struct Sink::State {
  explicit State(unsigned workers) : runtime(make_options(workers)) {
    for (unsigned i = 0; i < runtime.worker_count(); ++i) {
      networks.push_back(std::make_unique<net::TcpNetwork>(runtime.worker(i)));
      homes.push_back(std::make_unique<SinkWorker>(runtime.worker(i), shared));
    }
  }
  static base::RuntimeOptions make_options(unsigned workers) {
    base::RuntimeOptions options;
    options.workers =
        workers != 0 ? workers : std::clamp(std::thread::hardware_concurrency(), 1U, kWorkersMax);
    options.pool_threads = 1;
    return options;
  }

  SinkShared shared;
  base::Runtime runtime;
  std::vector<std::unique_ptr<net::TcpNetwork>> networks;
  std::vector<std::unique_ptr<SinkWorker>> homes;
  std::vector<std::vector<std::unique_ptr<net::Listener>>> listeners;  ///< by worker
  std::vector<net::Endpoint> endpoints;
  bool is_running = false;
};

Sink::Sink(std::unique_ptr<State> state) : state_(std::move(state)) {}

Sink::~Sink() {
  stop();
}

std::unique_ptr<Sink> Sink::start(const SinkOptions& options, std::string& why, bool& is_usage) {
  is_usage = true;
  auto state = std::make_unique<State>(options.workers);
  if (!read_options(options, state->shared, why)) return nullptr;
  std::vector<net::Endpoint> wanted;
  for (const std::string& text : options.listen) {
    const auto endpoint = net::parse_endpoint(text);
    if (!endpoint) {
      why = "\"" + text + "\" is no address and port: 127.0.0.1:2526, [::1]:2526";
      return nullptr;
    }
    wanted.push_back(*endpoint);
  }
  is_usage = false;
  const base::Time now = state->runtime.worker(0).clock.now();
  if (!load_certificate(options, state->shared, now, why)) return nullptr;
  if (!options.maildir.empty()) {
    Result<SinkStore> store = SinkStore::open(options.maildir);
    if (!store) {
      why = options.maildir + ": " + store.error().message();
      return nullptr;
    }
    state->shared.store = std::move(*store);
  }
  state->listeners.resize(state->homes.size());
  for (net::Endpoint endpoint : wanted) {
    for (std::size_t i = 0; i < state->homes.size(); ++i) {
      SinkWorker* home = state->homes[i].get();
      auto accepted = [home](std::unique_ptr<net::Stream> stream) {
        home->group.spawn(serve_sink_session(*home, std::move(stream)));
      };
      auto listener = state->networks[i]->listen(endpoint, {}, std::move(accepted));
      if (!listener) {
        why = net::format_endpoint(endpoint) + ": " + listener.error().message();
        return nullptr;
      }
      endpoint = (*listener)->local();  // The others share the port that was free.
      state->listeners[i].push_back(std::move(*listener));
    }
    state->endpoints.push_back(endpoint);
  }
  state->runtime.start();
  state->is_running = true;
  return std::unique_ptr<Sink>(new Sink(std::move(state)));
}

const std::vector<net::Endpoint>& Sink::endpoints() const {
  return state_->endpoints;
}

SinkTotals Sink::totals() const {
  const SinkShared& s = state_->shared;
  return {s.connections, s.messages, s.recipients, s.octets, s.rejected, s.deferred, s.dropped};
}

void Sink::stop() {
  if (!state_->is_running) return;
  state_->is_running = false;
  std::mutex mutex;
  std::condition_variable changed;
  std::size_t left = state_->homes.size();
  for (std::size_t i = 0; i < state_->homes.size(); ++i) {
    SinkWorker& home = *state_->homes[i];
    auto close = [this, i, &home, &mutex, &changed, &left] {
      state_->listeners[i].clear();
      home.group.close();
      auto done = [&mutex, &changed, &left] {
        const std::lock_guard lock(mutex);
        --left;
        changed.notify_all();
      };
      home.group.when_empty(std::move(done));
    };
    home.worker.executor.post(std::move(close));
  }
  {
    std::unique_lock lock(mutex);
    changed.wait_for(lock, kStopMax, [&] { return left == 0; });
  }
  state_->runtime.stop();
  state_->runtime.drop();
}

int run_sink(const SinkOptions& options) {
  // Before any thread starts, so that all of them leave the signals to sigtimedwait below.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);

  std::string why;
  bool is_usage = false;
  const std::unique_ptr<Sink> sink = Sink::start(options, why, is_usage);
  if (!sink) {
    std::fprintf(stderr, "ekiden sink: %s\n", why.c_str());
    return is_usage ? 2 : 3;
  }
  for (const net::Endpoint& endpoint : sink->endpoints()) {
    std::printf("listening on %s\n", net::format_endpoint(endpoint).c_str());
  }
  std::fflush(stdout);

  const timespec second{1, 0};
  while (sigtimedwait(&signals, nullptr, &second) < 0) {
    write_totals(options.count_file, sink->totals());
  }
  sink->stop();
  write_totals(options.count_file, sink->totals());
  const SinkTotals t = sink->totals();
  std::printf(
      "connections %llu messages %llu recipients %llu octets %llu rejected %llu deferred %llu "
      "dropped %llu\n",
      static_cast<unsigned long long>(t.connections), static_cast<unsigned long long>(t.messages),
      static_cast<unsigned long long>(t.recipients), static_cast<unsigned long long>(t.octets),
      static_cast<unsigned long long>(t.rejected), static_cast<unsigned long long>(t.deferred),
      static_cast<unsigned long long>(t.dropped));
  std::fflush(stdout);
  return 0;
}

}  // namespace ekiden::cli
