#include "ekiden/delivery/connector.hpp"

#include <algorithm>
#include <utility>

#include "ekiden/delivery/local_reply.hpp"
#include "ekiden/net/address_block.hpp"

namespace ekiden::delivery {
namespace {

constexpr const char* kNoFamily = ": no address of a family that the source has";

struct BothAnswers {
  dns::Answer a, aaaa;
};

/// Held by the two questions alone: who waits for them must not hold what holds its completion.
struct Asked {
  std::shared_ptr<BothAnswers> both = std::make_shared<BothAnswers>();
  int missing = 2;
  base::Completion<std::shared_ptr<BothAnswers>> done;

  void arrived() {
    if (--missing == 0) std::exchange(done, {})(std::move(both));
  }
};

/// Asks for IPv4 and IPv6 addresses at the same time.
base::Task<std::shared_ptr<BothAnswers>> ask_both(dns::Resolver& resolver, std::string host) {
  auto begin = [&](base::Completion<std::shared_ptr<BothAnswers>> done) {
    auto asked = std::make_shared<Asked>();
    asked->done = std::move(done);
    resolver.resolve(host, dns::Type::AAAA, [asked](dns::Answer answer) {
      asked->both->aaaa = std::move(answer);
      asked->arrived();
    });
    resolver.resolve(host, dns::Type::A, [asked](dns::Answer answer) {
      asked->both->a = std::move(answer);
      asked->arrived();
    });
  };
  co_return co_await base::suspend<std::shared_ptr<BothAnswers>>(std::move(begin));
}

smtp::Reply no_address(const std::string& host, const BothAnswers& both) {
  const auto is_broken = [](const dns::Answer& answer) {
    return answer.status == dns::Status::Failed || answer.status == dns::Status::Bogus;
  };
  for (const dns::Answer* answer : {&both.a, &both.aaaa}) {
    if (!is_broken(*answer)) continue;
    std::string text = host + ": the DNS gave no address";
    if (answer->status == dns::Status::Bogus) text = host + ": its address fails DNSSEC validation";
    if (!answer->reason.empty()) text += ": " + answer->reason;
    return local_reply(451, {4, 4, 3}, std::move(text));
  }
  return local_reply(451, {4, 4, 4}, host + ": the host has no address");
}

/// v6, v4, v6, v4, … (RFC 8305 §4), in the order of the answers; v4 first where the plan says so.
std::vector<net::Address> interleaved(const Plan& plan, const std::vector<net::Address>& v6,
                                      const std::vector<net::Address>& v4) {
  const bool is_v4_first = !plan.families.empty() && plan.families.front() == shaping::Family::Ipv4;
  const std::vector<net::Address>& first = is_v4_first ? v4 : v6;
  const std::vector<net::Address>& second = is_v4_first ? v6 : v4;
  std::vector<net::Address> out;
  for (std::size_t i = 0; i < std::max(v4.size(), v6.size()); ++i) {
    if (i < first.size()) out.push_back(first[i]);
    if (i < second.size()) out.push_back(second[i]);
  }
  return out;
}

bool may_use_family(const Plan& plan, const net::Address& address) {
  const auto family = address.is_v4() ? shaping::Family::Ipv4 : shaping::Family::Ipv6;
  if (!plan.families.empty() &&
      std::find(plan.families.begin(), plan.families.end(), family) == plan.families.end())
    return false;
  // A source that has no address of a family does not speak it.
  if (!plan.source4 && !plan.source6) return true;
  return address.is_v4() ? plan.source4.has_value() : plan.source6.has_value();
}

}  // namespace

base::Task<Addresses> find_addresses(ConnectionContext& context, const Plan& plan,
                                     const Target& target) {
  Addresses found;
  const ConnectionOptions& options = context.options;
  const std::string key = target.host + ":" + std::to_string(target.port);
  if (const auto mapped = options.connect_map.find(key); mapped != options.connect_map.end()) {
    if (may_use_family(plan, mapped->second.address)) {
      found.endpoints.push_back(mapped->second);
    } else {
      found.failure = local_reply(451, {4, 4, 4}, target.host + kNoFamily);
    }
    co_return found;
  }

  std::vector<net::Address> addresses;
  boost::system::error_code not_an_address;
  const net::Address literal = boost::asio::ip::make_address(target.host, not_an_address);
  if (!not_an_address) {
    addresses.push_back(literal);
  } else {
    const std::shared_ptr<BothAnswers> both = co_await ask_both(context.resolver, target.host);
    const std::vector<net::Address> v6 = dns::addresses_of(both->aaaa);
    const std::vector<net::Address> v4 = dns::addresses_of(both->a);
    const auto is_bogus = [](const dns::Answer& a) { return a.status == dns::Status::Bogus; };
    addresses = interleaved(plan, is_bogus(both->aaaa) ? std::vector<net::Address>() : v6,
                            is_bogus(both->a) ? std::vector<net::Address>() : v4);
    if (addresses.empty()) {
      found.failure = no_address(target.host, *both);
      co_return found;
    }
  }

  bool has_private = false;
  for (const net::Address& address : addresses) {
    const net::Endpoint endpoint{address, target.port};
    if (target.is_from_mx) {
      const auto& own = options.own_endpoints;
      if (std::find(own.begin(), own.end(), endpoint) != own.end()) {
        found.endpoints.clear();
        found.is_ourselves = true;
        co_return found;
      }
      if (!plan.may_use_private && net::scope_of(address) != net::Scope::Public) {
        has_private = true;
        continue;
      }
    }
    if (!may_use_family(plan, address)) continue;
    if (found.endpoints.size() < kAddressesPerHostMax) found.endpoints.push_back(endpoint);
  }
  if (found.endpoints.empty()) {
    found.failure =
        has_private ? local_reply(451, {4, 4, 4},
                                  target.host + ": its address lies in private or reserved space")
                    : local_reply(451, {4, 4, 4}, target.host + kNoFamily);
  }
  co_return found;
}

namespace {

base::Task<Connected> connect_to(ConnectionContext& context, const Plan& plan,
                                 net::Endpoint endpoint,
                                 std::shared_ptr<net::Cancellation> cancel) {
  std::optional<net::Address> source = endpoint.address.is_v4() ? plan.source4 : plan.source6;
  const base::Steady deadline = context.worker.clock.steady() + context.options.connect_timeout;
  Result<std::unique_ptr<net::Stream>> stream = net::Errc::Other;
  if (plan.hop != nullptr) {
    std::shared_ptr<const Hop> hop = plan.hop;
    stream = co_await connect_by_hop(context.network, std::move(hop), endpoint, source,
                                     std::move(cancel), deadline);
  } else {
    net::ConnectOptions options;
    options.cancel = std::move(cancel);
    options.source = std::move(source);
    stream = co_await context.network.connect(endpoint, options, deadline);
  }
  Connected connected;
  connected.endpoint = endpoint;
  if (stream) {
    connected.stream = std::move(*stream);
  } else {
    connected.error = stream.error();
  }
  co_return connected;
}

}  // namespace

base::Task<Connected> connect_one(ConnectionContext& context, const Plan& plan,
                                  net::Endpoint endpoint) {
  auto cancel = std::make_shared<net::Cancellation>();
  const auto stop = context.tasks.on_stop([cancel] { cancel->cancel(); });
  co_return co_await connect_to(context, plan, endpoint, cancel);
}

namespace {

/// Attempts under way, and who waits for the first.
struct Race {
  Connected best;  // the winner, or the last to fail
  std::vector<net::Endpoint> failed;
  std::vector<std::shared_ptr<net::Cancellation>> attempts;
  unsigned running = 0;
  bool is_over = false;  // later streams are dropped, which closes them
  base::Completion<bool> wake;

  /// Nobody waits for the others any more: without this they would go on until their deadline,
  /// and hold a stopping relay up.
  void end() {
    is_over = true;
    for (const auto& attempt : attempts) attempt->cancel();
  }

  void ring() {
    if (wake) std::exchange(wake, {})(true);
  }
};

base::Task<void> attempt(ConnectionContext& context, std::shared_ptr<const Plan> plan,
                         net::Endpoint endpoint, std::shared_ptr<Race> race) {
  auto cancel = std::make_shared<net::Cancellation>();
  race->attempts.push_back(cancel);
  Connected connected = co_await connect_to(context, *plan, endpoint, std::move(cancel));
  --race->running;
  if (race->is_over || race->best.stream != nullptr) co_return;
  if (connected.stream == nullptr) race->failed.push_back(endpoint);
  race->best = std::move(connected);
  race->ring();
}

/// Until an attempt ends, or `until`, or the group closes.
base::Task<void> wait_for(ConnectionContext& context, std::shared_ptr<Race> race,
                          base::Steady until) {
  base::Clock& clock = context.worker.clock;
  base::TimerId timer = base::TimerId::None;
  auto begin = [&](base::Completion<bool> done) {
    race->wake = std::move(done);
    if (until != base::kNever) timer = clock.call_at(until, [race] { race->ring(); });
  };
  (void)co_await base::suspend<bool>(std::move(begin));
  if (timer != base::TimerId::None) clock.cancel(timer);
}

}  // namespace

base::Task<Connected> connect_any(ConnectionContext& context, const Plan& plan,
                                  std::vector<net::Endpoint>& endpoints) {
  if (endpoints.size() == 1) {
    const net::Endpoint only = endpoints.front();
    endpoints.clear();
    co_return co_await connect_one(context, plan, only);
  }
  auto race = std::make_shared<Race>();
  // The attempts may outlive this call, and with it the caller's plan.
  auto own_plan = std::make_shared<const Plan>(plan);
  // The race holds this coroutine while it waits, and this coroutine the race.
  const auto stop = context.tasks.on_stop(
      [race] {
        race->end();
        race->ring();
      },
      [race] { const base::Completion<bool> wake = std::exchange(race->wake, {}); });
  std::size_t next = 0;
  while (!context.tasks.is_closed() && race->best.stream == nullptr) {
    base::Steady until = base::kNever;
    if (next < endpoints.size()) {
      ++race->running;
      base::Task<void> task = attempt(context, own_plan, endpoints[next++], race);
      context.tasks.spawn(std::move(task));
      until = context.worker.clock.steady() + context.options.stagger;
      if (next == endpoints.size()) until = base::kNever;
    } else if (race->running == 0) {
      break;
    }
    // An attempt may have ended inside spawn.
    if (race->best.stream != nullptr || race->running == 0) continue;
    co_await wait_for(context, race, until);
  }
  Connected connected = std::move(race->best);
  if (context.tasks.is_closed() && connected.stream == nullptr) connected.error = net::Errc::Closed;
  race->end();
  std::erase_if(endpoints, [&](const net::Endpoint& endpoint) {
    return (connected.stream != nullptr && endpoint == connected.endpoint) ||
           std::find(race->failed.begin(), race->failed.end(), endpoint) != race->failed.end();
  });
  co_return connected;
}

}  // namespace ekiden::delivery
