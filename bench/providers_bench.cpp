// How near the pace that is learnt comes to what providers take, against fixed limits, and how a
// new source grows.
// Method: simulated providers that answer with real reply texts; the shipped profiles and rules
// read them, and shaping::Channel, as the dispatcher uses it, decides what is sent. Endless mail,
// simulated days. Prints the tables of bench/RESULTS.md; status 1 where a target is missed.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <deque>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ekiden/base/random.hpp"
#include "ekiden/shaping/channel.hpp"
#include "ekiden/shaping/providers.hpp"

namespace {

using namespace ekiden;
using namespace ekiden::shaping;
using namespace std::chrono_literals;
using base::Duration;
using base::Time;

constexpr double kOfBestLeast = 0.90;
constexpr double kThrottledMost = 0.02;

const Time kBegin = base::from_unix_us(1'700'000'000'000'000);

Moment moment(Duration since) {
  return {kBegin + since, base::Steady(1h) + since};
}

double seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

/// What a provider says to a transaction; "": it takes it.
using Answer = std::pair<Phase, std::string>;
using Provider = std::function<Answer(Duration now)>;

std::uint64_t lot_state = 1;
/// One in so many, the same in every run.
bool by_lot(unsigned one_in) {
  lot_state = lot_state * 6364136223846793005ULL + 1442695040888963407ULL;
  return (lot_state >> 33) % one_in == 0;
}

struct Bucket {
  double rate;
  double tokens = 0;
  Duration latest{};

  bool take(Duration now) {
    const double burst = std::max(10.0, rate * 5);
    tokens = std::min(burst, tokens + rate * seconds(now - latest));
    latest = now;
    if (tokens < 1) return false;
    tokens -= 1;
    return true;
  }
};

/// Gmail: a rate for each address; who goes on above it gets nothing for two minutes.
Provider gmail_like(double rate) {
  struct State {
    Bucket bucket;
    Duration closed_until{};
    int over = 0;
  };
  auto state = std::make_shared<State>(State{{rate}, {}, 0});
  return [state](Duration now) -> Answer {
    constexpr const char* kSlow =
        "421 4.7.28 Gmail has detected an unusual rate of unsolicited mail originating from your "
        "IP address. To protect our users from spam, mail sent from your IP address has been "
        "temporarily rate limited.";
    if (now < state->closed_until) return {Phase::Mail, kSlow};
    if (state->bucket.take(now)) {
      state->over = 0;
      return {};
    }
    if (++state->over >= 20) {
      state->closed_until = now + 2min;
      state->over = 0;
    }
    return {Phase::Mail, kSlow};
  };
}

/// docomo: users that are not there at RCPT, filters behind the message, and above its rate words
/// about recipients, or, as at au, no word at all.
Provider carrier_like(double rate, bool resets) {
  auto bucket = std::make_shared<Bucket>(Bucket{rate});
  return [bucket, resets](Duration now) -> Answer {
    if (!bucket->take(now))
      return resets ? Answer{Phase::Mail, "reset"} : Answer{Phase::Mail, "554 Transaction failed"};
    if (by_lot(200)) return {Phase::Rcpt, "550 Unknown user a@docomo.ne.jp"};
    if (by_lot(100)) return {Phase::Eod, "550 Unknown user a@docomo.ne.jp"};
    return {};
  };
}

/// Yahoo: more than so many in an hour are "unexpected volume", and nothing is taken for two hours.
Provider yahoo_like(double rate) {
  struct State {
    std::deque<std::pair<Duration, std::uint64_t>> minutes;
    std::uint64_t sum = 0;
    Duration closed_until{};
  };
  auto state = std::make_shared<State>();
  return [state, rate](Duration now) -> Answer {
    const Answer deferred{Phase::Mail,
                          "421 4.7.0 [TSS04] Messages from 192.0.2.25 temporarily deferred due to "
                          "unexpected volume or user complaints - 4.16.55.1; see "
                          "https://postmaster.yahooinc.com/error-codes"};
    if (now < state->closed_until) return deferred;
    auto& minutes = state->minutes;
    while (!minutes.empty() && minutes.front().first + 1h <= now) {
      state->sum -= minutes.front().second;
      minutes.pop_front();
    }
    if (minutes.empty() || minutes.back().first + 1min <= now) minutes.emplace_back(now, 0);
    if (static_cast<double>(state->sum) >= rate * 3600) {
      state->closed_until = now + 2h;
      return deferred;
    }
    ++minutes.back().second;
    ++state->sum;
    return {};
  };
}

struct Figures {
  std::uint64_t taken = 0, throttled = 0, bounced = 0;
  double of_best = 0, throttled_share = 0;
};

struct Run {
  const Providers& rules;
  const Profile& shipped;  ///< whose rules read the replies
  const Profile& profile;  ///< whose limits hold
  Provider provider;
  double best;  ///< the best constant rate, a second
  Duration round_trip;
  Duration length, counted_from;
  bool learns = true;
};

void obey(Channel& channel, const Run& run, const Answer& answer, Duration now, Duration sent,
          Figures& figures, bool counts) {
  const Classification what =
      run.rules.classify(parse_reply_facts(answer.second, answer.first), run.shipped);
  const bool is_throttle = what.action == Action::SlowDown || what.action == Action::Suspend;
  if (counts) ++(is_throttle ? figures.throttled : figures.bounced);
  if (!run.learns) return;
  if (what.action == Action::SlowDown) channel.on_throttled(moment(now), kBegin + sent);
  if (what.action == Action::Suspend)
    channel.on_suspended(moment(now), kBegin + sent, what.duration);
  if (what.is_hard) channel.on_hard_bounce(moment(now));
}

/// Endless mail over as many connections as the profile allows.
Figures drive(const Run& run) {
  auto profile = std::make_shared<Profile>(run.profile);
  Channel channel(profile, false, {}, moment(0s));
  struct Flight {
    Duration back, sent;
    Answer answer;
    std::size_t connection;
  };
  struct Connection {
    bool is_open = false, is_busy = false;
    std::uint32_t messages = 0;
  };
  std::vector<Connection> connections(profile->limits.connections);
  std::deque<Flight> flights;  // replies come in the order of their transactions
  Figures figures;
  for (Duration now{}; now < run.length;) {
    Duration next = Duration::max();
    // Hand out as much as may go now.
    for (;;) {
      auto free = std::find_if(connections.begin(), connections.end(),
                               [](const Connection& c) { return c.is_open && !c.is_busy; });
      const Held held = channel.holds_transaction(moment(now));
      if (!held.is_free()) {
        if (held.until != Time::max()) next = std::min(next, held.until - kBegin);
        break;
      }
      if (free == connections.end()) {
        free = std::find_if(connections.begin(), connections.end(),
                            [](const Connection& c) { return !c.is_open; });
        if (free == connections.end()) break;
        const Held opening = channel.holds_connection(moment(now), 2s);
        if (!opening.is_free()) {
          if (opening.until != Time::max()) next = std::min(next, opening.until - kBegin);
          break;
        }
        channel.opened(moment(now));
        *free = {true, false, 0};
      }
      free->is_busy = true;
      ++free->messages;
      channel.started(moment(now), 1);
      flights.push_back({now + run.round_trip, now, run.provider(now),
                         static_cast<std::size_t>(free - connections.begin())});
    }
    if (!flights.empty()) next = std::min(next, flights.front().back);
    now = std::max(next, now + 1us);
    while (!flights.empty() && flights.front().back <= now) {
      const Flight flight = flights.front();
      flights.pop_front();
      Connection& connection = connections[flight.connection];
      connection.is_busy = false;
      channel.ended();
      const bool counts = flight.sent >= run.counted_from;
      if (flight.answer.second.empty()) {
        if (counts) ++figures.taken;
        if (run.learns) channel.on_success(moment(now), kBegin + flight.sent);
      } else {
        obey(channel, run, flight.answer, now, flight.sent, figures, counts);
      }
      const bool is_lost = flight.answer.second == "reset" ||
                           flight.answer.second.starts_with("421") ||
                           flight.answer.second.starts_with("554");
      if (is_lost || connection.messages >= profile->limits.messages_per_connection) {
        channel.closed();
        connection = {};
      }
    }
  }
  const double all = static_cast<double>(figures.taken + figures.bounced + figures.throttled);
  figures.of_best = static_cast<double>(figures.taken + figures.bounced) /
                    (run.best * seconds(run.length - run.counted_from));
  figures.throttled_share = all > 0 ? static_cast<double>(figures.throttled) / all : 0;
  return figures;
}

config::Rate rate_of(double per_second) {
  return {static_cast<std::uint32_t>(per_second * 60 + 0.5), 1min};
}

struct Case {
  const char* what;
  const char* profile;
  std::function<Provider()> make;
  double best;
  Duration round_trip, length, counted_from;
};

bool converge(const Providers& rules) {
  const std::vector<Case> cases = {
      {"Gmail-like, takes 20/s", "gmail", [] { return gmail_like(20); }, 20, 50ms, 24h, 8h},
      {"Gmail-like, takes 5/s", "gmail", [] { return gmail_like(5); }, 5, 50ms, 24h, 8h},
      {"docomo-like, takes 2/s", "docomo", [] { return carrier_like(2, false); }, 2, 300ms, 24h,
       8h},
      {"docomo-like, takes 0.5/s", "docomo", [] { return carrier_like(0.5, false); }, 0.5, 300ms,
       48h, 16h},
      {"au-like, resets above 2/s", "au", [] { return carrier_like(2, true); }, 2, 300ms, 24h, 8h},
      {"Yahoo-like, 18,000 an hour", "yahoo", [] { return yahoo_like(5); }, 5, 100ms, 30 * 24h,
       3 * 24h},
  };
  const std::pair<const char*, double> fixed[] = {
      {"half", 0.5}, {"right", 0.99}, {"a fifth above", 1.2}, {"twice", 2.0}};
  std::printf("| provider | limits | of the best constant rate | throttling replies |\n");
  std::printf("|---|---|--:|--:|\n");
  bool is_fine = true;
  for (const Case& one : cases) {
    const Profile* const shipped = rules.find_by_name(one.profile);
    if (shipped == nullptr) return false;
    const Run run{rules,          *shipped,   *shipped,         one.make(), one.best,
                  one.round_trip, one.length, one.counted_from, true};
    const Figures learnt = drive(run);
    std::printf("| %s | **learnt**, from %s | **%.1f %%** | **%.2f %%** |\n", one.what,
                shipped->origin.c_str(), 100 * learnt.of_best, 100 * learnt.throttled_share);
    if (learnt.of_best < kOfBestLeast || learnt.throttled_share >= kThrottledMost) is_fine = false;
    for (const auto& [name, factor] : fixed) {
      Profile profile = *shipped;
      profile.limits.rate = rate_of(one.best * factor);
      const Run without{rules,          *shipped,   profile,          one.make(), one.best,
                        one.round_trip, one.length, one.counted_from, false};
      const Figures figures = drive(without);
      std::printf("| | fixed, %s | %.1f %% | %.2f %% |\n", name, 100 * figures.of_best,
                  100 * figures.throttled_share);
    }
  }
  return is_fine;
}

// --- warm-up

struct Day {
  std::uint32_t stage = 0, allowance = 0, sent = 0;
};

/// A new source with endless mail: what it sends on each day; `complaints` of each thousand that
/// are sent on day `bad_day` come back.
std::vector<Day> warm_up(const WarmUpPlan& plan, unsigned days, unsigned bad_day,
                         unsigned complaints) {
  WarmUp warm_up(plan);
  std::vector<Day> curve;
  Duration now{};
  for (unsigned day = 1; day <= days; ++day) {
    const Duration end = day * 24h;
    Day made;
    bool has_begun = false;
    while (now < end) {
      const Time free = warm_up.next_free(kBegin + now);
      if (warm_up.is_warm()) break;
      if (!has_begun) {
        made.stage = warm_up.state().stage + 1;
        made.allowance = warm_up.allowance();
        has_begun = true;
      }
      if (free > kBegin + now) {
        now = std::min(free - kBegin, end);
        continue;
      }
      warm_up.on_sent(kBegin + now);
      ++made.sent;
      if (day == bad_day && made.sent % (1000 / std::max(1U, complaints)) == 0)
        warm_up.on_signal(kBegin + now, WarmUp::Signal::Complaint);
    }
    now = end;
    curve.push_back(made);
    if (warm_up.is_warm()) break;
  }
  return curve;
}

std::string grouped(std::uint64_t number) {
  std::string text = std::to_string(number);
  for (std::size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, ",");
  return text;
}

void curves(const Providers& rules) {
  const WarmUpPlan& plan = rules.find_by_name("gmail")->warm_up;
  const std::vector<Day> clean = warm_up(plan, 60, 0, 0);
  const std::vector<Day> bad = warm_up(plan, 60, 10, 2);
  std::printf("\n| day | stage | sent | with 0.2 %% complaints on day 10: stage | sent |\n");
  std::printf("|--:|--:|--:|--:|--:|\n");
  for (std::size_t i = 0; i < std::max(clean.size(), bad.size()); ++i) {
    const auto cells = [&](const std::vector<Day>& curve) {
      if (i >= curve.size() || curve[i].allowance == 0) return std::string("| warm | | ");
      return "| " + std::to_string(curve[i].stage) + " | " + grouped(curve[i].sent) + " ";
    };
    std::printf("| %zu %s%s|\n", i + 1, cells(clean).c_str(), cells(bad).c_str());
  }
}

}  // namespace

int main(int argc, char** argv) {
  const bool wants_curves = argc < 2 || std::strcmp(argv[1], "--convergence") != 0;
  const LoadedProviders loaded = load_providers({});
  if (!loaded.providers) {
    std::fprintf(stderr, "the shipped profiles have mistakes\n");
    return 3;
  }
  const bool is_fine = converge(*loaded.providers);
  if (wants_curves) curves(*loaded.providers);
  return is_fine ? 0 : 1;
}
