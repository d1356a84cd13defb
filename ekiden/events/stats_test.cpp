// Goal: counts are exact at every moment, whatever was indexed, merged, replayed or erased.
// Method: the real files, compared with counting the events that were written.
#include "ekiden/events/stats.hpp"

#include <gtest/gtest.h>

#include <filesystem>

#include "ekiden/events/erasure.hpp"
#include "ekiden/events/store.hpp"
#include "ekiden/events/subject_column.hpp"
#include "tests/support/fake_clock.hpp"

namespace ekiden::events {
namespace {

namespace fs = std::filesystem;

struct StatsTest : testing::Test {
  test::FakeClock clock;
  std::string directory;
  base::Metrics metrics;
  OutcomeMeter outcomes{metrics};
  std::unique_ptr<Store> store;

  StatsTest() {
    char path[] = "/tmp/ekiden-stats-test-XXXXXX";
    directory = std::string(mkdtemp(path)) + "/events";
    reopen();
  }
  ~StatsTest() override {
    store.reset();
    fs::remove_all(fs::path(directory).parent_path());
  }
  void reopen() {
    Store::Counters counters;
    counters.outcomes = &outcomes;
    store.reset();
    store = std::make_unique<Store>(clock, Store::Options{directory}, counters);
  }
  Event event(std::uint64_t number) const {
    Event e;
    e.message = {number, 1};
    e.time = clock.now() + std::chrono::seconds(number % 7200);
    e.kind = number % 10 == 0 ? Kind::Bounced : Kind::Delivered;
    e.recipient =
        "user" + std::to_string(number) + (number % 3 == 0 ? "@Gmail.com" : "@docomo.ne.jp");
    e.tenant = number % 2 == 0 ? "even" : "odd";
    e.stream = number % 4 == 0 ? "news" : "receipts";
    e.tags = {"all", "tag" + std::to_string(number % 5)};
    e.provider = number % 3 == 0 ? "gmail" : "docomo";
    e.source = "out" + std::to_string(number % 2);
    e.subject =
        number % 2 == 0 ? "=?UTF-8?B?5rOo5paH56K66KqN?= " + std::to_string(number) : "Monthly News";
    if (e.kind == Kind::Bounced) {
      e.reply_code = 550;
      e.enhanced_code = "5.1.1";
      e.transcript = "C: MAIL\nS: 250 ok\n";
    }
    e.id = event_id(e.message, 0, e.kind, 0);
    return e;
  }
  void write(std::uint64_t first, std::uint64_t end) {
    for (; first < end; first += 700) {
      std::vector<std::string> batch;
      for (std::uint64_t n = first; n < std::min(first + 700, end); ++n)
        batch.push_back(encode_event(event(n)));
      ASSERT_TRUE(store->write(batch));
    }
  }
  Stats count(StatsQuery query) {
    Reader reader(directory);
    const Result<Stats> stats = count_events(reader, query);
    EXPECT_TRUE(stats);
    return stats ? *stats : Stats{};
  }
  /// Name, then all its events.
  std::map<std::string, std::uint64_t> sums(const StatsQuery& query) {
    std::map<std::string, std::uint64_t> sums;
    for (const Stats::Group& group : count(query).groups)
      sums[group.is_rest ? "(rest)" : group.name] += sum_of(group.counts);
    return sums;
  }
  std::size_t found(Query query) {
    Reader reader(directory);
    query.limit = 10'000;
    const Result<Page> page = reader.find(query);
    EXPECT_TRUE(page);
    return page ? page->events.size() : 0;
  }
};

using By = std::map<std::string, std::uint64_t>;

TEST_F(StatsTest, CountsAreThoseOfTheEventsAtEveryMoment) {
  // In the tail, in slices without counts, in merged ones, and again after a restart.
  std::uint64_t written = 0;
  for (const std::uint64_t end : {500u, 3000u, 17'000u, 17'001u, 20'000u}) {
    write(written, end);
    written = end;
    if (end == 3000u || end == 17'001u) reopen();
    const Stats all = count({});
    EXPECT_EQ(sum_of(all.totals), end);
    EXPECT_EQ(all.totals[static_cast<std::size_t>(Kind::Bounced)], (end + 9) / 10);
    EXPECT_TRUE(all.is_complete);
    const std::uint64_t gmail = (end + 2) / 3;
    EXPECT_EQ(sums({.by = Dimension::Domain}),
              (By{{"gmail.com", gmail}, {"docomo.ne.jp", end - gmail}}));
    EXPECT_EQ(sums({.by = Dimension::Provider}), (By{{"gmail", gmail}, {"docomo", end - gmail}}));
    EXPECT_EQ(sums({.by_tenant = true}), (By{{"even", (end + 1) / 2}, {"odd", end / 2}}));
    EXPECT_EQ(sums({.by = Dimension::Tag}).at("all"), end);
    EXPECT_EQ(sums({.by = Dimension::Source}).at("out1"), end / 2);
  }
  write(100, 900);  // A replay.
  EXPECT_EQ(sum_of(count({}).totals), written);
}

TEST_F(StatsTest, ConditionsTimesAndScanningAgree) {
  write(0, 5000);
  EXPECT_EQ(sums({.filter = {.tenant = "even"}, .by = Dimension::Stream}),
            (By{{"news", 1250}, {"receipts", 1250}}));
  EXPECT_EQ(sum_of(count({.filter = {.tenant = "odd", .tag = "tag3"}}).totals), 500u);
  EXPECT_EQ(sum_of(count({.filter = {.domain = "GMAIL.com", .kind = Kind::Bounced}}).totals), 167u);
  // A condition that counts do not tell: the events themselves are looked at.
  const StatsQuery scanned{.filter = {.tag = "tag3", .code = "5"}, .by = Dimension::Domain};
  EXPECT_EQ(sum_of(count(scanned).totals), 0u);
  const StatsQuery bounced{.filter = {.tag = "tag0", .code = "550"}, .by = Dimension::Domain};
  EXPECT_EQ(sum_of(count(bounced).totals), 500u);
  EXPECT_EQ(sums(bounced), (By{{"gmail.com", 167}, {"docomo.ne.jp", 333}}));
  // 2,600 of the events lie behind the first hour or 7,200 s in it: times widen to whole hours.
  StatsQuery hourly{.time = StatsQuery::Time::Hour};
  const Stats hours = count(hourly);
  ASSERT_EQ(hours.groups.size(), 2u);
  EXPECT_EQ(hours.groups[1].time - hours.groups[0].time, std::chrono::hours(1));
  hourly.filter.from = hours.groups[1].time + std::chrono::minutes(5);
  const Stats second = count(hourly);
  ASSERT_EQ(second.groups.size(), 1u);
  EXPECT_EQ(second.groups[0].counts, hours.groups[1].counts);
  EXPECT_EQ(second.from, hours.groups[1].time);
}

TEST_F(StatsTest, StepsComeToTheSame) {
  write(0, 5000);
  for (const StatsQuery& query :
       {StatsQuery{.by = Dimension::Domain},
        StatsQuery{.filter = {.tag = "tag0", .code = "550"}, .by = Dimension::Domain}}) {
    Reader reader(directory);
    StatsCount counting(query);
    std::size_t steps = 1;
    for (auto step = counting.step(reader); *step == StatsCount::Step::More;
         step = counting.step(reader))
      ++steps;
    const Stats in_steps = counting.finish(), at_once = count(query);
    EXPECT_EQ(in_steps.totals, at_once.totals);
    EXPECT_EQ(in_steps.groups.size(), at_once.groups.size());
    const bool is_scan = !query.filter.code.empty();
    EXPECT_EQ(steps > 24, is_scan) << "an hour of the events each";
  }
}

TEST_F(StatsTest, NamesPastTheLimitAreCountedTogether) {
  std::vector<std::string> batch;
  for (std::uint64_t n = 0; n < 17'000; ++n) {
    Event e = event(n);
    e.recipient = "user@d" + std::to_string(n % 1500) + ".example";
    e.tenant = "one";
    batch.push_back(encode_event(e));
  }
  ASSERT_TRUE(store->write(batch));
  StatsQuery query{.by = Dimension::Domain, .names_max = 3};
  const Stats few = count(query);
  ASSERT_EQ(few.groups.size(), 4u);
  EXPECT_TRUE(few.groups[3].is_rest);
  std::uint64_t sum = 0;
  for (const Stats::Group& group : few.groups) sum += sum_of(group.counts);
  EXPECT_EQ(sum, 17'000u);
  EXPECT_EQ(sum_of(few.totals), 17'000u);
}

TEST_F(StatsTest, AFileWithoutCountsIsLookedThrough) {
  // Layout 2 is what a relay before this one began, today.
  write(0, 1);
  store.reset();
  const std::string path = directory + "/" + base::format_day(clock.now()) + ".db";
  Result<Database> file = Database::open(path, Database::Access::ReadWrite);
  ASSERT_TRUE(file);
  ASSERT_TRUE(
      file->execute("DROP TABLE counts; DROP TABLE names; DROP TABLE subjects;"
                    "DROP TABLE transcripts; PRAGMA user_version=2;"));
  reopen();
  write(1, 3000);
  EXPECT_EQ(sum_of(count({}).totals), 3000u);
  EXPECT_EQ(sums({.by = Dimension::Tag}).at("tag1"), 600u);
  EXPECT_EQ(found({.subject = "注文"}), 1500u);
  EXPECT_EQ(found({.provider = "gmail"}), 1000u);
}

TEST_F(StatsTest, PartsOfSubjectsAreFoundInEveryLanguage) {
  write(0, 5000);
  EXPECT_EQ(found({.subject = "注文"}), 2500u);
  EXPECT_EQ(found({.subject = "文"}), 2500u) << "one character";
  EXPECT_EQ(found({.subject = "注文確認 4098"}), 1u);
  EXPECT_EQ(found({.subject = "monthly NEWS"}), 2500u);
  EXPECT_EQ(found({.subject = "no such"}), 0u);
  EXPECT_EQ(found({.tenant = "odd", .subject = "文"}), 0u);
  Reader reader(directory);
  Query query{.subject = "注文確認", .newest_first = true, .limit = 700};
  std::vector<std::int64_t> seen;
  do {
    const Result<Page> page = reader.find(query);
    ASSERT_TRUE(page);
    for (const Stored& stored : page->events) seen.push_back(stored.position.seq);
    query.after = page->next;
  } while (query.after);
  EXPECT_EQ(seen.size(), 2500u);
  EXPECT_TRUE(std::is_sorted(seen.rbegin(), seen.rend()));
}

TEST_F(StatsTest, RunsCodesAndFromHaveAnIndex) {
  write(0, 20'000);
  EXPECT_EQ(found({.source = "out1", .provider = "gmail"}), 3333u);
  EXPECT_EQ(found({.stream = "nobody's"}), 0u);
  EXPECT_EQ(found({.code = "5"}), 2000u);
  EXPECT_EQ(found({.code = "5.1.1"}), 2000u);
  EXPECT_EQ(found({.code = "5.1.2"}), 0u);
  Event e = event(30'000);
  e.sender = "bounce+1@example.jp";
  e.header_from = "shop@Example.JP";
  ASSERT_TRUE(store->write({encode_event(e)}));
  EXPECT_EQ(found({.sender = "shop@example.jp"}), 1u);
  EXPECT_EQ(found({.sender = "bounce+1@example.jp"}), 1u);
}

TEST_F(StatsTest, TranscriptsStandApartAndGoEarlier) {
  write(0, 2000);
  Reader reader(directory);
  Query query{.kind = Kind::Bounced, .limit = 1};
  EXPECT_EQ(reader.find(query)->events[0].event.transcript, "");
  query.with_transcripts = true;
  EXPECT_EQ(reader.find(query)->events[0].event.transcript, "C: MAIL\nS: 250 ok\n");
  EXPECT_EQ(event(0), [&] {
    Event read = reader.find(query)->events[0].event;
    read.time = event(0).time;
    return read;
  }());
  clock.advance(std::chrono::days(16));
  store->remove_old();
  EXPECT_EQ(reader.find(query)->events[0].event.transcript, "");
  EXPECT_EQ(found({}), 2000u) << "the events stay for events.retention";
}

TEST_F(StatsTest, AnErasedPersonIsInNoSubjectCountOrTranscript) {
  write(0, 20'000);
  const auto own = [&](std::uint64_t number) {
    Event e = event(number);
    e.recipient = "taro@taro.example";
    e.subject = "Dear Taro " + std::to_string(number);
    e.tags = {"for-taro"};
    e.transcript = "C: RCPT TO:<taro@taro.example>\n";
    return e;
  };
  ASSERT_TRUE(store->write({encode_event(own(20'001))}));
  write(21'000, 38'000);
  // One that has no index yet: the writer has it in memory.
  ASSERT_TRUE(store->write({encode_event(own(50'000))}));
  const std::uint64_t before = sum_of(count({}).totals);
  ASSERT_EQ(found({.subject = "taro"}), 2u);
  const Result<std::uint64_t> erased = erase_recipient(directory, "taro@taro.example");
  ASSERT_TRUE(erased);
  EXPECT_EQ(*erased, 2u);
  write(51'000, 70'000);
  EXPECT_EQ(found({.subject = "taro"}), 0u);
  EXPECT_EQ(found({.recipient = "taro@taro.example"}), 0u);
  const Stats after = count({.by = Dimension::Domain, .names_max = 1000});
  EXPECT_EQ(sum_of(after.totals), before + 19'000) << "that something happened stays counted";
  for (const Stats::Group& group : after.groups) EXPECT_NE(group.name, "taro.example");
  store.reset();
  for (const auto& file : fs::directory_iterator(directory)) {
    std::string octets(fs::file_size(file.path()), '\0');
    std::FILE* in = std::fopen(file.path().c_str(), "rb");
    ASSERT_EQ(std::fread(octets.data(), 1, octets.size(), in), octets.size());
    std::fclose(in);
    for (const char* word : {"taro", "Taro"})
      EXPECT_EQ(octets.find(word), std::string::npos) << file.path() << " " << word;
  }
}

TEST_F(StatsTest, OutcomesAreMetricsOfBoundedNumber) {
  write(0, 100);
  write(0, 100);  // A replay counts nothing.
  const auto series = [&](const char* tenant, const char* stream, const char* provider) {
    return metrics
        .counter("ekiden_outcomes_total", "",
                 {{"tenant", tenant},
                  {"stream", stream},
                  {"provider", provider},
                  {"outcome", "delivered"}})
        .value();
  };
  EXPECT_EQ(series("odd", "receipts", "gmail"), 17u);
  OutcomeMeter meter(metrics);
  KeyView keys;
  keys.kind = Kind::Delivered;
  keys.stream = "s";
  for (int i = 0; i < 2100; ++i) {
    const std::string tenant = "t" + std::to_string(i);
    keys.tenant = tenant;
    meter.count(keys);
  }
  EXPECT_EQ(series("other", "other", "other"), 100u);
}

TEST(SubjectColumn, IsReadAsItWasPackedAndNeverPastItsEnd) {
  SubjectColumn column;
  column.add("One", 0);
  column.add("", 1);
  column.add("=?ISO-2022-JP?B?GyRCRnxLXDhsGyhC?=", 2);
  column.add("One", 300);
  const std::string packed = column.pack();
  const auto find = [&](std::string_view octets, std::string_view part) {
    std::vector<std::uint32_t> offsets;
    find_in_subjects(octets, part, offsets);
    return offsets;
  };
  EXPECT_EQ(find(packed, "one"), (std::vector<std::uint32_t>{0, 300}));
  EXPECT_EQ(find(packed, "日本語"), (std::vector<std::uint32_t>{2}));
  EXPECT_EQ(find(without_events(packed, {0}), "one"), (std::vector<std::uint32_t>{300}));
  EXPECT_EQ(find(without_events(packed, {0, 300}), "one"), (std::vector<std::uint32_t>{}));
  for (std::size_t cut = 0; cut < packed.size(); ++cut) (void)find(packed.substr(0, cut), "one");
  EXPECT_EQ(subject_key(std::string(999, 'x') + "語").size(), 999u);
}

}  // namespace
}  // namespace ekiden::events
