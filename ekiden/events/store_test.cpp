// Goal: what is written is found, by every key, at once, and nothing is stored twice or lost.
// Method: the real SQLite files in a temporary directory; the clock stands where a test puts it.
#include "ekiden/events/store.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "ekiden/base/random.hpp"
#include "ekiden/events/erasure.hpp"
#include "ekiden/events/key.hpp"
#include "ekiden/events/reader.hpp"
#include "tests/support/fake_clock.hpp"

namespace ekiden::events {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

struct StoreTest : testing::Test {
  test::FakeClock clock;
  std::string directory;
  base::Metrics metrics;
  Store::Counters counters{&metrics.counter("stored", ""), &metrics.counter("known", ""),
                           &metrics.counter("unread", ""), &metrics.counter("corrupt", "")};
  std::unique_ptr<Store> store;

  StoreTest() {
    char path[] = "/tmp/ekiden-events-test-XXXXXX";
    directory = std::string(mkdtemp(path)) + "/events";
    reopen();
  }
  ~StoreTest() override {
    store.reset();
    fs::remove_all(fs::path(directory).parent_path());
  }
  void reopen() {
    store.reset();
    store = std::make_unique<Store>(clock, Store::Options{directory}, counters);
  }

  Event event(std::uint64_t number, Kind kind = Kind::Delivered) const {
    Event e;
    e.message = {number, 1};
    e.time = clock.now() + std::chrono::milliseconds(number);
    e.kind = kind;
    e.recipient = "user" + std::to_string(number) + "@Example.JP";
    e.tenant = number % 2 == 0 ? "even" : "odd";
    e.internet_message_id = "<" + std::to_string(number) + "@app>";
    e.id = event_id(e.message, 0, kind, 0);
    return e;
  }
  Result<void> write(const std::vector<Event>& events) {
    std::vector<std::string> batch;
    for (const Event& e : events) batch.push_back(encode_event(e));
    return store->write(batch);
  }
  void write_range(std::uint64_t first, std::uint64_t end, std::uint64_t step = 500) {
    for (; first < end; first += step) {
      std::vector<Event> events;
      for (std::uint64_t n = first; n < std::min(first + step, end); ++n) {
        events.push_back(event(n));
      }
      ASSERT_TRUE(write(events));
    }
  }
  std::vector<Event> find(const Query& query) {
    Reader reader(directory);
    Result<Page> page = reader.find(query);
    EXPECT_TRUE(page);
    std::vector<Event> events;
    if (page) {
      for (Stored& stored : page->events) events.push_back(std::move(stored.event));
    }
    return events;
  }
  std::string path_of_today() const {
    return directory + "/" + base::format_day(clock.now()) + ".db";
  }
};

TEST_F(StoreTest, WhatIsWrittenIsFoundAtOnceByEachKey) {
  ASSERT_TRUE(write({event(1), event(2), event(3, Kind::Bounced)}));
  const std::vector<Event> second{event(2)};
  EXPECT_EQ(find({.message = base::MessageId{2, 1}}), second);
  EXPECT_EQ(find({.recipient = "user2@example.jp."}), second);
  EXPECT_EQ(find({.recipient = "USER2@example.jp"}).size(), 0u) << "RFC 5321 §2.4";
  EXPECT_EQ(find({.internet_message_id = "<2@app>"}), second);
  EXPECT_EQ(find({.tenant = "even"}), second);
  EXPECT_EQ(find({.domain = "EXAMPLE.jp"}).size(), 3u);
  EXPECT_EQ(find({.kind = Kind::Bounced}), std::vector{event(3, Kind::Bounced)});
  EXPECT_EQ(find({.kind = Kind::Delivered}).size(), 2u);
  EXPECT_EQ(find({.from = event(2).time, .until = event(3).time}), second);
  EXPECT_EQ(find({}).size(), 3u);
}

TEST_F(StoreTest, SenderTagCodeAndWordsOfTheSubjectAreFound) {
  const auto marked = [this](std::uint64_t number) {
    Event e = event(number, number % 100 == 7 ? Kind::Bounced : Kind::Delivered);
    e.sender = "sender" + std::to_string(number) + "@Example.ORG";
    e.subject = "Invoice No. " + std::to_string(number);
    e.tags = {"all", "tag" + std::to_string(number)};
    e.stream = number % 2 == 0 ? "bulk" : "transactional";
    if (e.kind == Kind::Bounced) {
      e.reply_code = 550;
      e.enhanced_code = "5.1." + std::to_string(number % 1000 / 100);
    }
    return e;
  };
  const std::uint64_t count = 2 * kSliceEvents + 100;
  std::vector<Event> batch;
  for (std::uint64_t n = 0; n < count; ++n) batch.push_back(marked(n));
  ASSERT_TRUE(write(batch));
  for (const std::uint64_t n : {std::uint64_t{5}, count - 1}) {
    const std::vector<Event> one{marked(n)};
    const std::string number = std::to_string(n);
    EXPECT_EQ(find({.sender = "sender" + number + "@example.org"}), one);
    EXPECT_EQ(find({.tag = "tag" + number}), one);
    EXPECT_EQ(find({.subject = "INVOICE no. " + number}).size(), n == 5 ? 100u : 1u);
  }
  EXPECT_EQ(find({.code = "550", .limit = 1000}).size(), 22u);
  EXPECT_EQ(find({.code = "5", .limit = 1000}).size(), 22u);
  EXPECT_EQ(find({.code = "5.1.3", .limit = 1000}).size(), 2u);
  EXPECT_EQ(find({.stream = "bulk", .code = "550"}).size(), 0u);
  EXPECT_EQ(find({.sender = "<>"}).size(), 0u);
  EXPECT_EQ(find({.source = "x"}).size(), 0u);
  EXPECT_TRUE(matches({.tag = "all", .subject = "voice"}, marked(1)));
  EXPECT_FALSE(matches({.tag = "al"}, marked(1)));
}

TEST_F(StoreTest, AFileOfTheLayoutBeforeIsReadAndGoesOn) {
  write_range(0, 10);
  store.reset();
  {
    // What layout 1 lacks are entries in slices that are not there yet.
    Result<Database> file = Database::open(path_of_today(), Database::Access::ReadWrite);
    ASSERT_TRUE(file);
    ASSERT_TRUE(file->execute("PRAGMA user_version=1"));
  }
  reopen();
  std::vector<Event> batch;
  for (std::uint64_t n = 10; n < kSliceEvents + 20; ++n) {
    batch.push_back(event(n));
    batch.back().sender = "a@example.org";
    batch.back().tags = {"t" + std::to_string(n)};
  }
  ASSERT_TRUE(write(batch));
  EXPECT_EQ(counters.corrupt->value(), 0u);
  EXPECT_EQ(find({.tag = "t100"}).size(), 1u) << "without its entries";
  EXPECT_EQ(find({.sender = "a@example.org", .limit = 10'000}).size(), batch.size());
  EXPECT_EQ(find({.recipient = "user3@example.jp"}).size(), 1u);
}

TEST_F(StoreTest, APartOfTheEventsIsFollowedInBatches) {
  const std::uint64_t count = kSliceEvents * 2 + 300;
  write_range(0, count);
  Reader reader(directory);
  Cursor cursor;
  Following following;
  following.tenant = "even";
  following.events_max = 100;
  following.wants = [](const KeyView& keys) { return keys.message.high % 4 == 0; };
  std::vector<std::uint64_t> seen;
  Cursor before, end_of_first;
  std::vector<std::string> first;
  for (;;) {
    const bool is_first = seen.empty();
    const Result<Followed> followed = reader.follow(cursor, following);
    ASSERT_TRUE(followed);
    for (const Stored& stored : followed->events) {
      seen.push_back(stored.event.message.high);
      if (is_first) first.push_back(stored.event.id);
    }
    if (is_first) end_of_first = cursor;
    if (!followed->has_more) break;
    EXPECT_EQ(followed->events.size(), 100u);
  }
  ASSERT_EQ(seen.size(), count / 4);
  for (std::size_t i = 0; i < seen.size(); ++i) EXPECT_EQ(seen[i], i * 4);
  EXPECT_EQ(cursor, *reader.end()) << "what is not wanted is passed, too";
  EXPECT_TRUE(reader.follow(cursor, following)->events.empty());

  // A batch that failed is read again as it was, whatever has come since and however much may be
  // read now.
  write_range(count, count + 50);
  following.events_max = 1000;
  following.end = end_of_first;
  Cursor again;
  const Result<Followed> same = reader.follow(again, following);
  ASSERT_TRUE(same);
  ASSERT_EQ(same->events.size(), first.size());
  for (std::size_t i = 0; i < first.size(); ++i) EXPECT_EQ(same->events[i].event.id, first[i]);
  EXPECT_EQ(again, end_of_first);

  following = {};
  following.from = event(10).time;
  following.until = event(13).time;
  Cursor range;
  EXPECT_EQ(reader.follow(range, following)->events.size(), 3u);
  following = {};
  following.octets_max = 1;
  EXPECT_EQ(reader.follow(before, following)->events.size(), 1u) << "one at least";
}

TEST_F(StoreTest, AnErasedPersonIsNowhereInTheFiles) {
  const std::string person = "user7@Example.JP";
  write_range(0, kSliceEvents + 100);
  Event late = event(7, Kind::Bounced);
  late.subject = "To User Seven";
  late.sender = "bounce+user7=example.jp@news.example";
  late.reply = "550 <user7@Example.JP> unknown";
  late.reply_code = 550;
  ASSERT_TRUE(write({late}));
  const Result<std::uint64_t> erased = erase_recipient(directory, "user7@example.jp");
  ASSERT_TRUE(erased);
  EXPECT_EQ(*erased, 2u);
  EXPECT_EQ(find({.recipient = person}).size(), 0u);
  const std::vector<Event> left = find({.message = late.message});
  ASSERT_EQ(left.size(), 2u);
  EXPECT_EQ(left[1], without_person(late));
  EXPECT_EQ(left[1].reply_code, 550);
  // Written again it is still known, and the next ones follow.
  ASSERT_TRUE(write({late, event(2000)}));
  EXPECT_EQ(counters.known->value(), 1u);
  EXPECT_EQ(find({.recipient = "user2000@example.jp"}).size(), 1u);
  EXPECT_EQ(*erase_recipient(directory, "user7@example.jp"), 0u);

  store.reset();
  const std::int64_t hash = key_hash(KeyKind::Recipient, recipient_key(person));
  const std::string entry(reinterpret_cast<const char*>(&hash), sizeof hash);
  for (const auto& file : fs::directory_iterator(directory)) {
    std::ifstream in(file.path(), std::ios::binary);
    const std::string octets((std::istreambuf_iterator<char>(in)), {});
    EXPECT_EQ(octets.find("user7@"), std::string::npos) << file.path();
    EXPECT_EQ(octets.find("User Seven"), std::string::npos) << file.path();
    EXPECT_EQ(octets.find("user7="), std::string::npos) << file.path();
    EXPECT_EQ(octets.find(entry), std::string::npos) << file.path();
  }
  EXPECT_EQ(*erase_recipient(directory + "/none", person), 0u);
}

TEST_F(StoreTest, IndexedMergedAndFreshEventsAreFoundAlike) {
  // One slice of each level, and a tail.
  const std::uint64_t count = kSliceEvents * (256 + 16 + 1) + 100;
  write_range(0, count, 4000);
  base::SeededRandom random(1);
  for (int i = 0; i < 200; ++i) {
    const std::uint64_t n = i == 0 ? count - 1 : random.below(count);
    EXPECT_EQ(find({.recipient = event(n).recipient}), std::vector{event(n)});
    EXPECT_EQ(find({.message = event(n).message, .newest_first = true}), std::vector{event(n)});
  }
  EXPECT_EQ(find({.recipient = "nobody@example.jp"}).size(), 0u);
  reopen();
  write_range(count, count + 10);
  EXPECT_EQ(find({.message = event(count + 9).message}).size(), 1u);
  EXPECT_EQ(counters.stored->value(), count + 10);
  EXPECT_EQ(counters.known->value(), 0u);
}

TEST_F(StoreTest, WritingTwiceGivesOneRow) {
  const std::uint64_t count = kSliceEvents * 2 + 50;
  write_range(0, count);
  write_range(0, count, 333);
  reopen();
  write_range(0, count, 777);
  EXPECT_EQ(counters.stored->value(), count);
  EXPECT_EQ(counters.known->value(), 2 * count);
  ASSERT_TRUE(write({event(count), event(count), event(count)}));
  EXPECT_EQ(counters.stored->value(), count + 1);
}

TEST_F(StoreTest, EventsOfOneMessageDifferByRecipientKindAndAttempt) {
  Event a = event(1), b = a, c = a, d = a;
  a.id.clear();
  b.recipient_index = 1;
  b.id.clear();
  c.attempt = 1;
  c.id.clear();
  d.id = "of its own";
  ASSERT_TRUE(write({a, b, c, d, a, d}));
  EXPECT_EQ(counters.stored->value(), 4u);
}

TEST_F(StoreTest, ALateEventThatIsNewIsKept) {
  write_range(1000, 1000 + kSliceEvents);
  ASSERT_TRUE(write({event(1)}));
  ASSERT_TRUE(write({event(1)}));
  EXPECT_EQ(counters.stored->value(), kSliceEvents + 1);
  EXPECT_EQ(find({.message = event(1).message}).size(), 1u);
}

TEST_F(StoreTest, EachDayHasItsFileByTheEventsTime) {
  Event before = event(1), after = event(2);
  before.time = base::from_unix_us(test::FakeClock::kStartUnixUs - 1);
  after.time = base::from_unix_us(test::FakeClock::kStartUnixUs);
  ASSERT_TRUE(write({after, before}));
  EXPECT_TRUE(fs::exists(directory + "/2026-11-21.db"));
  EXPECT_TRUE(fs::exists(directory + "/2026-11-22.db"));
  EXPECT_EQ(find({}), (std::vector{before, after})) << "days in order";
  EXPECT_EQ(find({.newest_first = true}), (std::vector{after, before}));
  EXPECT_EQ(find({.until = after.time}), std::vector{before});
  EXPECT_EQ(find({.from = after.time}), std::vector{after});
}

TEST_F(StoreTest, FilesPastTheirRetentionAreRemoved) {
  ASSERT_TRUE(write({event(1)}));
  const Event first = event(1);
  clock.advance(std::chrono::days(30));
  ASSERT_TRUE(write({event(2)}));
  EXPECT_EQ(find({}).size(), 2u);
  std::ofstream(directory + "/2026-11-22.db.corrupt-1") << "x";
  std::ofstream(directory + "/notes.txt") << "mine";
  clock.advance(std::chrono::days(1));
  ASSERT_TRUE(write({event(3)}));
  EXPECT_EQ(find({}).size(), 2u);
  EXPECT_FALSE(fs::exists(directory + "/2026-11-22.db"));
  EXPECT_FALSE(fs::exists(directory + "/2026-11-22.db-wal"));
  EXPECT_FALSE(fs::exists(directory + "/2026-11-22.db.corrupt-1"));
  EXPECT_TRUE(fs::exists(directory + "/notes.txt"));
}

TEST_F(StoreTest, ADamagedFileIsMovedAsideAndANewOneBegun) {
  ASSERT_TRUE(write({event(1)}));
  Cursor cursor;
  EXPECT_EQ(Reader(directory).follow(cursor, 10)->size(), 1u);
  store.reset();
  std::ofstream(path_of_today(), std::ios::binary) << std::string(100'000, 'x');
  reopen();
  ASSERT_TRUE(write({event(2)}));
  EXPECT_TRUE(fs::exists(path_of_today() + ".corrupt-1"));
  EXPECT_EQ(counters.corrupt->value(), 1u);
  EXPECT_EQ(find({}), std::vector{event(2)});
  // A cursor into the old file misses nothing of the new one.
  const auto followed = Reader(directory).follow(cursor, 10);
  ASSERT_EQ(followed->size(), 1u);
  EXPECT_EQ((*followed)[0].event, event(2));
  EXPECT_EQ((*followed)[0].position.seq, (std::int64_t{1} << 40) + 1);
}

TEST_F(StoreTest, DamageFoundWhileWritingMovesTheFileAsideToo) {
  write_range(0, kSliceEvents + 10);
  store.reset();
  {
    // Past the header, so that it opens.
    std::fstream file(path_of_today(), std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(16'384);
    file << std::string(fs::file_size(path_of_today()) - 16'384, '\x55');
  }
  reopen();
  ASSERT_TRUE(write({event(20'000)}));
  EXPECT_EQ(counters.corrupt->value(), 1u);
  EXPECT_EQ(find({}), std::vector{event(20'000)});
}

TEST_F(StoreTest, AFileOfALaterLayoutIsNotTouchedButMovedAside) {
  fs::create_directories(directory);
  Result<Database> later = Database::open(path_of_today(), Database::Access::ReadWrite);
  ASSERT_TRUE(later->execute("CREATE TABLE x(y); PRAGMA user_version=9"));
  ASSERT_TRUE(write({event(1)}));
  EXPECT_TRUE(fs::exists(path_of_today() + ".corrupt-1"));
}

TEST_F(StoreTest, WhatIsNoEventIsKeptForInspection) {
  ASSERT_TRUE(store->write({"junk", encode_event(event(1)), ""}));
  EXPECT_EQ(counters.unread->value(), 2u);
  EXPECT_EQ(find({}).size(), 1u);
  store.reset();
  Result<Database> database = Database::open(path_of_today(), Database::Access::ReadOnly);
  EXPECT_EQ(*database->integer("SELECT count(*) FROM unread"), 2);
}

TEST_F(StoreTest, ADirectoryThatCannotBeWrittenIsAnErrorNotALoss) {
  store.reset();
  fs::create_directories(fs::path(directory).parent_path());
  std::ofstream(directory) << "a file stands where the directory should";
  reopen();
  EXPECT_EQ(write({event(1)}).error(), make_error_code(Errc::Io));
  fs::remove(directory);
  clock.advance(std::chrono::days(1));
  EXPECT_TRUE(write({event(1)}));
}

TEST_F(StoreTest, AProcessThatDiesInABatchLeavesAllOfItOrNothing) {
  ASSERT_TRUE(write({event(1)}));
  store.reset();
  const pid_t child = fork();
  if (child == 0) {
    Result<std::unique_ptr<DayFile>> file = DayFile::open(path_of_today(), 1);
    bool ok = file.has_value() && (*file)->begin().has_value();
    for (std::uint64_t n = 2; ok && n < 6000; ++n) {
      const std::string octets = encode_event(event(n));
      ok = (*file)->add(octets, *read_keys(octets)).has_value();
    }
    _exit(ok ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_EQ(status, 0);
  reopen();
  EXPECT_EQ(find({}), std::vector{event(1)});
  write_range(1, 6000);
  EXPECT_EQ(counters.stored->value(), 1u + 5998u);
}

TEST_F(StoreTest, PagesFollowEachOtherWithoutGapOrRepetition) {
  write_range(0, kSliceEvents + 500);
  Event yesterday = event(1'000'000);
  yesterday.time -= std::chrono::days(1);
  ASSERT_TRUE(write({yesterday}));
  for (const bool newest_first : {false, true}) {
    for (const char* tenant : {"", "even"}) {
      Reader reader(directory);
      Query query{.tenant = tenant, .newest_first = newest_first, .limit = 97};
      std::vector<Position> seen;
      do {
        const Result<Page> page = reader.find(query);
        ASSERT_TRUE(page);
        for (const Stored& stored : page->events) seen.push_back(stored.position);
        query.after = page->next;
      } while (query.after);
      EXPECT_EQ(seen.size(), *tenant == '\0' ? kSliceEvents + 501 : (kSliceEvents + 500) / 2 + 1);
      if (newest_first) std::reverse(seen.begin(), seen.end());
      const auto out_of_order = std::adjacent_find(seen.begin(), seen.end(),
                                                   [](Position a, Position b) { return a >= b; });
      EXPECT_TRUE(out_of_order == seen.end());
    }
  }
}

TEST_F(StoreTest, AReaderOpenWhileTheStoreWritesSeesEachCommit) {
  Reader reader(directory);
  EXPECT_EQ(reader.find({})->events.size(), 0u) << "no directory yet";
  Cursor cursor;
  std::size_t seen = 0;
  for (std::uint64_t n = 0; n < 40'000; n += 500) {
    write_range(n, n + 500);
    EXPECT_EQ(reader.find({.message = event(n + 499).message})->events.size(), 1u);
    const auto events = reader.follow(cursor, 1000);
    ASSERT_TRUE(events);
    for (const Stored& stored : *events) EXPECT_EQ(stored.event.message.high, seen++);
  }
  EXPECT_EQ(seen, 40'000u);
  EXPECT_EQ(reader.follow(cursor, 1000)->size(), 0u);
  EXPECT_EQ(*reader.end(), cursor);
}

TEST_F(StoreTest, AFollowerGetsLateEventsOfADayThatIsOver) {
  ASSERT_TRUE(write({event(1)}));
  Reader reader(directory);
  Cursor cursor = *reader.end();
  Event today = event(2), late = event(3);
  today.time += std::chrono::days(1);
  ASSERT_TRUE(write({today}));
  EXPECT_EQ(reader.follow(cursor, 10)->size(), 1u);
  ASSERT_TRUE(write({late}));
  const auto events = reader.follow(cursor, 10);
  ASSERT_EQ(events->size(), 1u);
  EXPECT_EQ((*events)[0].event, late);
}

TEST_F(StoreTest, AReaderInAnotherProcessReadsWhileWeWrite) {
  write_range(0, 1000);
  const pid_t child = fork();
  if (child == 0) {
    Reader reader(directory);
    const Result<Page> page = reader.find({.recipient = "user999@example.jp"});
    _exit(page && page->events.size() == 1 ? 0 : 1);
  }
  write_range(1000, 6000);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

TEST(Position, AndCursorsAreTextAndBack) {
  const Position position{20779, 17};
  EXPECT_EQ(format_position(position), "2026-11-22:17");
  EXPECT_EQ(parse_position("2026-11-22:17"), position);
  const Cursor cursor{{20778, 5}, {20779, 17}};
  EXPECT_EQ(format_cursor(cursor), "2026-11-21:5,2026-11-22:17");
  EXPECT_EQ(parse_cursor(format_cursor(cursor)), cursor);
  EXPECT_EQ(parse_cursor(""), Cursor{});
  for (const char* bad : {"2026-11-22", "2026-11-22:", "2026-13-22:1", "2026-11-22:-1", "x:1",
                          "2026-11-22:1,", ",", "2026-11-22:99999999999999999999"}) {
    EXPECT_FALSE(parse_cursor(bad)) << bad;
  }
}

TEST(Key, ARecipientIsFiledUnderWhatItIsLookedUpBy) {
  for (const char* address :
       {"User@Example.COM", "User@Example.COM.", "postmaster", "\"a@b\"@Example.jp", "a@", "@b"}) {
    Event e;
    e.recipient = address;
    const std::string octets = encode_event(e);
    std::vector<Entry> entries;
    append_entries(*read_keys(octets), 0, kLayoutVersion, entries);
    const std::int64_t wanted = key_hash(KeyKind::Recipient, recipient_key(address));
    EXPECT_TRUE(std::any_of(entries.begin(), entries.end(), [&](const Entry& entry) {
      return entry.hash == wanted;
    })) << address;
    EXPECT_LE(entries.size(), kEntriesMax);
  }
}

}  // namespace
}  // namespace ekiden::events
