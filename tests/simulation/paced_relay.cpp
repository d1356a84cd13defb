#include "tests/simulation/paced_relay.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <utility>

#include "tests/simulation/ground.hpp"
#include "tests/simulation/peers.hpp"

namespace ekiden::simulation {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr base::Duration kPatience = hours(1);
/// Messages that a client of endless mail writes at once, and how often it looks.
constexpr std::size_t kAtOnce = 50;
constexpr base::Duration kLooksEvery = seconds(1);
/// Commands of many recipients that are written before their replies are read.
constexpr std::size_t kRecipientsAtOnce = 200;

base::Task<void> sleep(World& world, base::Duration time) {
  auto begin = [&world, time](base::Completion<bool> done) {
    world.after(time, [done = std::move(done)]() mutable { done(true); });
  };
  (void)co_await base::suspend<bool>(std::move(begin));
}

/// So many replies, all of them with a 2 or a 3 in front.
base::Task<bool> read_replies(LineStream& stream, World& world, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    const std::optional<std::string> code = co_await stream.reply(world.steady() + kPatience);
    if (!code || (code->front() != '2' && code->front() != '3')) co_return false;
  }
  co_return true;
}

/// Writes, and reads so many replies.
base::Task<bool> ask(LineStream& stream, World& world, std::string octets, std::size_t count) {
  const bool is_written = co_await stream.write(std::move(octets), world.steady() + kPatience);
  if (!is_written) co_return false;
  co_return co_await read_replies(stream, world, count);
}

std::string message(std::uint64_t number) {
  return "From: news@sender.example\r\nSubject: number " + std::to_string(number) +
         "\r\n\r\nA line of text that fills the message up.\r\n";
}

std::string chunk(const std::string& octets) {
  return "BDAT " + std::to_string(octets.size()) + " LAST\r\n" + octets;
}

config::Settings paced_settings(std::size_t sources) {
  config::Settings settings = plain_settings();
  config::Pool pool;
  pool.name = "all";
  for (std::size_t i = 0; i < std::min(sources, std::size(kSources)); ++i) {
    config::Source source;
    source.name = "mail" + std::to_string(i + 1);
    source.hostname = source.name + ".sender.example";
    source.ipv4 = kSources[i];
    source.families = {config::IpFamily::Ipv4};
    settings.source.push_back(source);
    pool.sources[source.name] = 1;
  }
  settings.pool.push_back(pool);
  // What a provider throttles comes again soon, so that a backlog stays small.
  settings.retry.first = settings.retry.max_interval = minutes(1);
  settings.retry.factor = 1;
  settings.delivery.connections_per_site = 1000;
  settings.delivery.connections = 5000;
  return settings;
}

/// Knows which addresses are not on the machine.
class Addresses final : public net::Network {
 public:
  Addresses(net::Network& behind, const std::set<net::Address>& gone)
      : behind_(behind), gone_(gone) {}
  base::Task<Result<std::unique_ptr<net::Stream>>> connect(net::Endpoint to,
                                                           net::ConnectOptions options,
                                                           base::Steady deadline) override {
    if (options.source && gone_.contains(*options.source)) co_return net::Errc::AddressUnavailable;
    co_return co_await behind_.connect(to, std::move(options), deadline);
  }
  Result<std::unique_ptr<net::Listener>> listen(
      net::Endpoint on, net::ListenOptions options,
      base::Function<void(std::unique_ptr<net::Stream>)> accepted) override {
    return behind_.listen(on, options, std::move(accepted));
  }

 private:
  net::Network& behind_;
  const std::set<net::Address>& gone_;
};

}  // namespace

class EventCounts::Counting final : public events::Sink {
 public:
  explicit Counting(EventCounts& counts) : counts_(counts) {}
  Result<void> write(const std::vector<std::string>& encoded) override {
    for (const std::string& octets : encoded) {
      const Result<events::Event> event = events::decode_event(octets);
      if (!event) return event.error();
      if (event->kind == events::Kind::Delivered) {
        ++counts_.delivered_[event->stream];
        continue;
      }
      if (event->reason.empty()) continue;
      ++counts_.reasons_[std::string(events::kind_name(event->kind)) + " " + event->reason + " " +
                         event->fault];
    }
    return {};
  }

 private:
  EventCounts& counts_;
};

Wrappers::Wrap<events::Sink> EventCounts::wrap() {
  return [this](events::Sink&) { return std::make_unique<Counting>(*this); };
}

std::uint64_t EventCounts::delivered(const std::string& stream) const {
  const auto found = delivered_.find(stream);
  return found == delivered_.end() ? 0 : found->second;
}

PacedRelay::PacedRelay(Options options)
    : world_(options.seed),
      internet_(world_),
      disk_(world_.random().next()),
      sink_(world_),
      names_(world_),
      relay_(ground(options)),
      outside_(world_, 0),
      clients_(outside_.worker()),
      settings_(paced_settings(options.sources)) {
  internet_.weather.latency_max = options.latency_max;
  internet_.weather.split = 0;
}

PacedRelay::~PacedRelay() {
  if (relay_.is_running()) relay_.crash(SimulatedRelay::Crash::Kill);
}

RelayGround PacedRelay::ground(const Options& options) {
  if (options.has_tls) secrecy_.emplace(world_);
  RelayGround ground{world_, internet_, disk_, sink_, names_};
  ground.workers = options.workers;
  ground.providers = options.providers;
  ground.secrecy = secrecy_ ? &*secrecy_ : nullptr;
  Wrappers counting;
  counting.sink = events_.wrap();
  counting.network = [this](net::Network& real) {
    return std::make_unique<Addresses>(real, gone_);
  };
  ground.wrappers.push_back(std::move(counting));
  return ground;
}

Provider& PacedRelay::add(const std::string& domain, const std::string& host, const char* address,
                          Behaviour behaviour) {
  names_.script.mx(domain, 10, host).a(host, address);
  hosts_.push_back(std::make_unique<Provider>(internet_, outside_.worker(), endpoint(address),
                                              std::move(behaviour),
                                              secrecy_ ? &*secrecy_ : nullptr));
  return *hosts_.back();
}

bool PacedRelay::start() {
  std::string problem;
  const bool is_started = relay_.start(settings_, problem);
  if (!is_started) std::fprintf(stderr, "the relay does not start: %s\n", problem.c_str());
  return is_started && run_for(seconds(1));
}

void PacedRelay::take_away(std::size_t source, bool is_gone) {
  if (is_gone) {
    gone_.insert(kSources[source]);
  } else {
    gone_.erase(kSources[source]);
  }
}

bool PacedRelay::run_for(base::Duration time) {
  // In pieces: each has a number of steps behind which it counts as spinning.
  for (const base::Steady end = world_.steady() + time; world_.steady() < end;) {
    if (!world_.run_until(std::min(end, world_.steady() + base::Duration(minutes(1)))))
      return false;
  }
  return true;
}

void PacedRelay::feed_without_end(const std::string& domain, std::uint64_t backlog) {
  clients_.spawn(feed(domain, backlog));
}

void PacedRelay::submit(const std::string& domain, std::size_t recipients, Way way) {
  clients_.spawn(hand_over_one(domain, recipients, way == Way::Bulk ? kRelayBulk : kRelay));
}

base::Task<void> PacedRelay::feed(std::string domain, std::uint64_t backlog) {
  std::uint64_t number = 0;
  for (;;) {
    LineStream stream(internet_.dial(kClient, kRelayBulk));
    std::string hello = "EHLO client.example\r\n";
    bool goes_on = co_await read_replies(stream, world_, 1);
    if (goes_on) goes_on = co_await ask(stream, world_, std::move(hello), 1);
    while (goes_on) {
      if (queued() >= backlog) {
        co_await sleep(world_, kLooksEvery);
        continue;
      }
      std::string commands;
      for (std::size_t i = 0; i < kAtOnce; ++i, ++number)
        commands += "MAIL FROM:<news@sender.example>\r\nRCPT TO:<u" + std::to_string(number) + "@" +
                    domain + "> NOTIFY=NEVER\r\n" + chunk(message(number));
      goes_on = co_await ask(stream, world_, std::move(commands), 3 * kAtOnce);
      if (goes_on) accepted_ += kAtOnce;
    }
    // The relay ends sessions that have gone on for long.
    co_await sleep(world_, kLooksEvery);
  }
}

base::Task<void> PacedRelay::hand_over_one(std::string domain, std::size_t recipients,
                                           net::Endpoint to) {
  LineStream stream(internet_.dial(kClient, to));
  std::string hello = "EHLO client.example\r\n", mail = "MAIL FROM:<news@sender.example>\r\n";
  bool goes_on = co_await read_replies(stream, world_, 1);
  if (goes_on) goes_on = co_await ask(stream, world_, std::move(hello), 1);
  if (goes_on) goes_on = co_await ask(stream, world_, std::move(mail), 1);
  for (std::size_t at = 0; goes_on && at < recipients;) {
    const std::size_t end = std::min(recipients, at + kRecipientsAtOnce), count = end - at;
    std::string commands;
    for (; at < end; ++at)
      commands += "RCPT TO:<u" + std::to_string(at) + "@" + domain + "> NOTIFY=NEVER\r\n";
    goes_on = co_await ask(stream, world_, std::move(commands), count);
  }
  std::string octets = chunk(message(accepted_));
  if (goes_on) goes_on = co_await ask(stream, world_, std::move(octets), 1);
  if (goes_on) ++accepted_;
}

PaceFigures run_pace(const PaceCase& one) {
  PaceFigures figures;
  PacedRelay::Options options;
  options.seed = one.seed;
  options.providers = one.providers;
  options.has_tls = one.has_tls;
  PacedRelay relay(std::move(options));
  Provider& provider = relay.add(one.domain, one.host, "20.1.0.1", one.behaviour(relay.random()));
  if (!relay.start()) return figures;
  // Enough for what waits to be tried again, too.
  relay.feed_without_end(one.domain, 500 + static_cast<std::uint64_t>(one.best * 300));
  if (!relay.run_for(one.counted_from)) return figures;
  figures.learning = provider.count();
  provider.forget();
  figures.has_run = relay.run_for(one.length - one.counted_from);
  figures.counted = provider.count();
  const double counted_s = std::chrono::duration<double>(one.length - one.counted_from).count();
  const double passed = static_cast<double>(figures.counted.passed());
  const double throttled = static_cast<double>(figures.counted.throttled);
  figures.of_best = passed / (one.best * counted_s);
  figures.throttled_share = passed + throttled > 0 ? throttled / (passed + throttled) : 0;
  figures.reasons = relay.events().reasons();
  return figures;
}

std::shared_ptr<const shaping::Providers> fixed_limits(const shaping::Profile& shipped,
                                                       double rate) {
  const auto number = [](const char* key, std::uint32_t value) {
    return std::string(key) + " = " + std::to_string(value) + "\n";
  };
  std::string text = "mx = [";
  for (const std::string& pattern : shipped.mx) text += "\"" + pattern + "\", ";
  text += "]\n[limits]\n" + number("connections", shipped.limits.connections) +
          number("messages_per_connection", shipped.limits.messages_per_connection) + "rate = \"" +
          std::to_string(std::lround(rate * 60)) + "/min\"\n";
  return shaping::build_providers({{"default.toml", "[limits]\nconnections = 10\n", ""},
                                   {shipped.name + ".toml", text, ""}})
      .providers;
}

}  // namespace ekiden::simulation
