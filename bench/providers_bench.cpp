// How near the pace that is learnt comes to what providers take, against fixed limits, and how a
// new source grows.
// Method: whole relays in simulated time (tests/simulation): inbound, spool, scheduler, delivery,
// with the shipped rules, towards providers that answer with real reply texts. The warm-up is
// shaping::WarmUp alone, with endless mail. Prints the tables of bench/RESULTS.md; status 1 where a
// target is missed.
#include <cstdio>
#include <string>
#include <vector>

#include "ekiden/base/log.hpp"
#include "tests/simulation/paced_relay.hpp"

namespace {

using namespace ekiden;
using namespace ekiden::shaping;
using namespace std::chrono_literals;
using base::Duration;
using base::Time;
using simulation::PaceCase;
using simulation::PaceFigures;

constexpr double kOfBestLeast = 0.90;
constexpr double kThrottledMost = 0.02;

struct Row {
  const char* what;
  const char* profile;
  PaceCase one;
};

std::vector<Row> rows() {
  const auto gmail = [](double rate) {
    return [rate](base::Random&) { return simulation::gmail_like(rate); };
  };
  const auto docomo = [](double rate) {
    return [rate](base::Random& random) { return simulation::docomo_like(rate, random); };
  };
  const auto au = [](double rate) {
    return [rate](base::Random& random) { return simulation::au_like(rate, random); };
  };
  const auto yahoo = [](std::uint32_t an_hour) {
    return [an_hour](base::Random&) { return simulation::yahoo_like(an_hour); };
  };
  const auto row = [](const char* what, const char* profile, const char* domain, const char* host,
                      auto behaviour, double best, Duration length, Duration counted_from) {
    static std::uint64_t seed = 0;
    const bool has_tls = std::string_view(profile) == "gmail";
    return Row{what,
               profile,
               {++seed, domain, host, nullptr, behaviour, best, length, counted_from, has_tls}};
  };
  const char* const kGmail = "gmail-smtp-in.l.google.com";
  const char* const kDocomo = "mfsmax.docomo.ne.jp";
  return {
      row("Gmail-like, takes 20/s", "gmail", "gmail.com", kGmail, gmail(20), 20, 90min, 30min),
      row("Gmail-like, takes 5/s", "gmail", "gmail.com", kGmail, gmail(5), 5, 6h, 2h),
      row("docomo-like, takes 2/s", "docomo", "docomo.ne.jp", kDocomo, docomo(2), 2, 12h, 4h),
      row("docomo-like, takes 0.5/s", "docomo", "docomo.ne.jp", kDocomo, docomo(0.5), 0.5, 24h, 8h),
      row("au-like, resets above 2/s", "au", "ezweb.ne.jp", "msmx.au.com", au(2), 2, 12h, 4h),
      row("Yahoo-like, 720 an hour", "yahoo", "yahoo.com", "mta5.am0.yahoodns.net", yahoo(720), 0.2,
          20 * 24h, 3 * 24h),
  };
}

bool print(const char* what, const std::string& limits, const PaceFigures& figures, bool is_bold) {
  const char* const mark = is_bold ? "**" : "";
  std::printf("| %s | %s | %s%.1f %%%s | %s%.2f %%%s |\n", what, limits.c_str(), mark,
              100 * figures.of_best, mark, mark, 100 * figures.throttled_share, mark);
  std::fflush(stdout);
  return figures.has_run;
}

/// `only`: the rows of one profile; empty: all.
bool converge(const std::shared_ptr<const Providers>& rules, const std::string& only) {
  const std::pair<const char*, double> fixed[] = {
      {"half", 0.5}, {"right", 0.99}, {"a fifth above", 1.2}, {"twice", 2.0}};
  std::printf("| provider | limits | of the best constant rate | throttling replies |\n");
  std::printf("|---|---|--:|--:|\n");
  bool is_fine = true;
  for (const Row& row : rows()) {
    if (!only.empty() && only != row.profile) continue;
    const Profile* const shipped = rules->find_by_name(row.profile);
    if (shipped == nullptr) return false;
    PaceCase one = row.one;
    one.providers = rules;
    const PaceFigures learnt = run_pace(one);
    is_fine &= print(row.what, "**learnt**, from " + shipped->origin, learnt, true);
    if (learnt.of_best < kOfBestLeast || learnt.throttled_share >= kThrottledMost) is_fine = false;
    for (const auto& [name, factor] : fixed) {
      // What never changes needs less time to be seen.
      one.length = row.one.counted_from + (row.one.length - row.one.counted_from) / 4;
      one.providers = simulation::fixed_limits(*shipped, row.one.best * factor);
      is_fine &= print("", std::string("fixed, ") + name, run_pace(one), false);
    }
  }
  return is_fine;
}

// --- warm-up

const Time kBegin = base::from_unix_us(1'700'000'000'000'000);

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

// providers_bench [PROFILE]: the rows of one, "gmail", and no curve; without it everything.
int main(int argc, char** argv) {
  const std::string only = argc > 1 ? argv[1] : "";
  base::log::start(base::log::Level::Error, base::log::Format::Logfmt);
  const LoadedProviders loaded = load_providers({});
  if (!loaded.providers) {
    std::fprintf(stderr, "the shipped profiles have mistakes\n");
    return 3;
  }
  const bool is_fine = converge(loaded.providers, only);
  if (only.empty()) curves(*loaded.providers);
  base::log::stop();
  return is_fine ? 0 : 1;
}
