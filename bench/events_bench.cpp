// Nanoseconds of processor time that one event costs: encoding, storing with its index, and
// finding. Usage: events_bench DIRECTORY [EVENTS [BATCH]]. The directory must be new; it is left
// for inspection.
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "ekiden/base/random.hpp"
#include "ekiden/events/reader.hpp"
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
    if (is_delivery) {
      e.kind = pick == 9 ? events::Kind::Deferred : events::Kind::Delivered;
      e.attempt = 1;
      e.source = "192.0.2.10";
      e.remote_host = "mx1.example.net";
      e.remote_address = "198.51.100.25:25";
      e.tls_version = "TLSv1.3";
      e.tls_cipher = "TLS_AES_256_GCM_SHA384";
      e.reply_code = 250;
      e.enhanced_code = "2.0.0";
      e.reply = "OK queued as 4BZx7W0mZvz1xyz";
      e.phase = "eod";
      e.queued_us = 120'000;
      e.attempt_us = 80'000;
    } else {
      e.header_from = "news@example.jp";
      e.subject = "Monthly news from example.jp";
      e.client_address = "10.0.0.5";
      e.identity = "app";
      e.internet_message_id = "<" + std::to_string(message) + ".abcdef@app.example.jp>";
    }
    return e;
  }

 private:
  static constexpr std::uint64_t kInFlight = 1000;
  static constexpr std::uint64_t kStartMs = test::FakeClock::kStartUnixUs / 1000;
  std::uint64_t count_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  const std::size_t total = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 1'000'000;
  const std::size_t batch_size = argc > 3 ? std::strtoul(argv[3], nullptr, 10) : 1000;

  test::FakeClock clock;
  events::Store store(clock, {argv[1]});
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
      return 1;
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

  // A reader of its own, as `ekiden message trace` is; the file is in the page cache.
  events::Reader reader(argv[1]);
  base::SeededRandom random(7);
  constexpr int kSearches = 1000;
  std::size_t found = 0;
  const double search_start = wall_s();
  for (int i = 0; i < kSearches; ++i) {
    events::Query query;
    query.recipient = "user" + std::to_string(random.below(5'000'000)) + "@gmail.com";
    if (const Result<events::Page> page = reader.find(query)) found += page->events.size();
  }
  std::printf("search  %7.0f us by recipient, %zu found in %d\n",
              (wall_s() - search_start) / kSearches * 1e6, found, kSearches);
  return 0;
}
