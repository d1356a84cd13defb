// Nanoseconds of processor time that one event costs: encoding, storing with its index, its subject
// and its counts; then what finding costs. Usage: events_bench DIRECTORY [EVENTS [BATCH]]. The
// directory must be new, or have events of an earlier run: then they are only looked for.
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "ekiden/base/random.hpp"
#include "ekiden/events/reader.hpp"
#include "ekiden/events/stats.hpp"
#include "ekiden/events/store.hpp"
#include "tests/support/fake_clock.hpp"

using namespace ekiden;

namespace {

double cpu_s() {
  rusage use{};
  getrusage(RUSAGE_SELF, &use);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(use.ru_utime) + seconds(use.ru_stime);
}

double wall_s() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Messages in order of time, each accepted and, a thousand messages later, delivered or not.
class Traffic {
 public:
  events::Event next() {
    events::Event e;
    // The first kInFlight messages go ahead.
    const bool is_delivery = count_ >= kInFlight && ((count_ - kInFlight) & 1) != 0;
    const std::uint64_t pairs = count_ < kInFlight ? 0 : (count_ - kInFlight) / 2;
    const std::uint64_t message =
        is_delivery ? pairs : (count_ < kInFlight ? count_ : kInFlight + pairs);
    ++count_;
    base::SeededRandom random(message);
    e.message = {(kStartMs + message / 10) << 16, message};
    e.time = base::from_unix_us(static_cast<std::int64_t>(kStartMs) * 1000 +
                                static_cast<std::int64_t>(count_) * 50);
    static constexpr const char* kDomains[] = {"gmail.com", "docomo.ne.jp", "ezweb.ne.jp",
                                               "yahoo.co.jp", "outlook.com"};
    const std::uint64_t pick = random.below(10);
    e.recipient = "user" + std::to_string(random.below(5'000'000)) + "@";
    e.recipient += pick < 8 ? kDomains[pick % 5] : "d" + std::to_string(pick) + ".example.org";
    e.sender = "bounce+" + std::to_string(message) + "@news.example.jp";
    e.tenant = "tenant" + std::to_string(random.below(50));
    e.stream = "bulk";
    e.size = 10'240;
    e.header_from = "news@example.jp";
    e.internet_message_id = "<" + std::to_string(message) + ".abcdef@app.example.jp>";
    // A third of the mail has a subject of its own, in Japanese as mail carries it; the rest is one
    // of two hundred campaigns.
    const std::uint64_t campaign = random.below(200);
    if (message % 3 == 0) {
      e.subject = "=?UTF-8?B?5rOo5paH56K66KqN?= " + std::to_string(100'000'000 + message);
      e.tags = {"order"};
    } else {
      e.subject = "Monthly news, edition " + std::to_string(campaign);
    }
    if (is_delivery) {
      e.kind = pick == 9 ? events::Kind::Deferred : events::Kind::Delivered;
      e.attempt = 1;
      e.source = "out" + std::to_string(pick % 4);
      e.provider = pick < 8 ? kDomains[pick % 5] : "";
      e.remote_host = "mx1.example.net";
      e.remote_address = "198.51.100.25:25";
      e.tls_version = "TLSv1.3";
      e.tls_cipher = "TLS_AES_256_GCM_SHA384";
      e.reply_code = pick == 9 ? 450 : 250;
      e.enhanced_code = pick == 9 ? "4.2.1" : "2.0.0";
      e.reply = "OK queued as 4BZx7W0mZvz1xyz";
      e.phase = "eod";
      e.queued_us = 120'000;
      e.attempt_us = 80'000;
    } else {
      e.client_address = "10.0.0.5";
      e.identity = "app";
    }
    return e;
  }

 private:
  static constexpr std::uint64_t kInFlight = 1000;
  static constexpr std::uint64_t kStartMs = test::FakeClock::kStartUnixUs / 1000;
  std::uint64_t count_ = 0;
};

void store_all(const std::string& directory, std::size_t total, std::size_t batch_size) {
  test::FakeClock clock;
  events::Store store(clock, {directory});
  Traffic traffic;
  double encode = 0, write = 0, wall = 0;
  std::size_t octets = 0;
  std::vector<events::Event> made;
  std::vector<std::string> batch;
  for (std::size_t done = 0; done < total; done += batch_size) {
    made.clear();
    batch.clear();
    for (std::size_t i = 0; i < batch_size; ++i) made.push_back(traffic.next());
    const double encode_start = cpu_s();
    for (const events::Event& event : made) batch.push_back(events::encode_event(event));
    const double start = cpu_s(), wall_start = wall_s();
    encode += start - encode_start;
    if (const Result<void> written = store.write(batch); !written) {
      std::fprintf(stderr, "%s\n", written.error().message().c_str());
      std::exit(1);
    }
    write += cpu_s() - start;
    wall += wall_s() - wall_start;
    for (const std::string& event : batch) octets += event.size();
  }
  const double n = static_cast<double>(total);
  std::printf("%zu events, %.0f octets each, batches of %zu\n", total,
              static_cast<double>(octets) / n, batch_size);
  std::printf("encode  %7.0f ns\n", encode / n * 1e9);
  std::printf("store   %7.0f ns of CPU, %.0f ns elapsed, %.0f events/s per core\n", write / n * 1e9,
              wall / n * 1e9, n / write);
}

/// Many searches of one sort, their mean, median and 99th percentile elapsed.
void measure(const char* name, int count, const std::function<std::size_t(int)>& search) {
  std::vector<double> times;
  std::size_t found = 0;
  const double cpu_start = cpu_s();
  for (int i = 0; i < count; ++i) {
    const double start = wall_s();
    found += search(i);
    times.push_back((wall_s() - start) * 1e3);
  }
  const double cpu = (cpu_s() - cpu_start) / count * 1e3;
  std::sort(times.begin(), times.end());
  const auto at = [&](double part) {
    return times[static_cast<std::size_t>(part * static_cast<double>(times.size() - 1))];
  };
  std::printf("%-28s p50 %8.2f ms  p99 %8.2f ms  max %8.2f ms  CPU %8.2f ms  %zu found in %d\n",
              name, at(0.5), at(0.99), times.back(), cpu, found, count);
}

/// A reader of its own, as `ekiden message trace` is.
void find_all(const std::string& directory, std::size_t total) {
  events::Reader reader(directory);
  base::SeededRandom random(7);
  const auto find = [&](events::Query query) {
    query.newest_first = true;
    query.limit = 50;
    const Result<events::Page> page = reader.find(query);
    return page ? page->events.size() : 0;
  };
  measure("recipient", 1000, [&](int) {
    events::Query query;
    query.recipient = "user" + std::to_string(random.below(5'000'000)) + "@gmail.com";
    return find(query);
  });
  measure("message id", 1000, [&](int) {
    const std::uint64_t message = random.below(total / 2);
    events::Query query;
    query.message = {(test::FakeClock::kStartUnixUs / 1000 + message / 10) << 16, message};
    return find(query);
  });
  measure("Message-ID header", 1000, [&](int) {
    events::Query query;
    query.internet_message_id =
        "<" + std::to_string(random.below(total / 2)) + ".abcdef@app.example.jp>";
    return find(query);
  });
  measure("sender", 1000, [&](int) {
    events::Query query;
    query.sender = "bounce+" + std::to_string(random.below(total / 2)) + "@news.example.jp";
    return find(query);
  });
  measure("subject, one message's", 20, [&](int) {
    events::Query query;
    query.subject = std::to_string(100'000'000 + random.below(total / 2) / 3 * 3);
    return find(query);
  });
  measure("subject, Japanese, a page", 50, [&](int) {
    events::Query query;
    query.subject = "注文";
    return find(query);
  });
  measure("subject of nothing", 10, [&](int) {
    events::Query query;
    query.subject = "no such subject";
    return find(query);
  });
  const std::pair<const char*, events::Query> pages[] = {
      {"tag, a page", {.tag = "order"}},
      {"code 4.2.1, a page", {.code = "4.2.1"}},
      {"provider, a page", {.provider = "docomo.ne.jp"}},
      {"source, a page", {.source = "out3"}},
      {"domain, a page", {.domain = "d9.example.org"}},
      {"stream and tenant, a page", {.tenant = "tenant7", .stream = "bulk"}},
      {"provider of nothing", {.provider = "nobody"}},
  };
  for (const auto& [name, query] : pages) measure(name, 20, [&](int) { return find(query); });
  measure("statistics by domain", 10, [&](int) {
    events::StatsQuery query;
    query.by = events::Dimension::Domain;
    query.time = events::StatsQuery::Time::Hour;
    const Result<events::Stats> stats = events::count_events(reader, query);
    return stats ? events::sum_of(stats->totals) : 0;
  });
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  const std::size_t total = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 1'000'000;
  const std::size_t batch_size = argc > 3 ? std::strtoul(argv[3], nullptr, 10) : 1000;
  const std::filesystem::path directory = argv[1];
  std::error_code error;
  if (!std::filesystem::exists(directory, error)) store_all(directory, total, batch_size);
  std::uintmax_t octets = 0;
  for (const auto& file : std::filesystem::directory_iterator(directory, error)) {
    octets += file.file_size(error);
  }
  std::printf("size    %7.0f MB, %.0f octets an event\n", static_cast<double>(octets) / 1e6,
              static_cast<double>(octets) / static_cast<double>(total));
  find_all(directory, total);
  return 0;
}
