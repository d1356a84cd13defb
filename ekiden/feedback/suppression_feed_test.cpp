// Goal: what bounces by the recipient's own making is suppressed, and nothing else.
// Method: events with real replies against the shipped rules; then a store of events, read twice.
#include "ekiden/feedback/suppression_feed.hpp"

#include <gtest/gtest.h>

#include <filesystem>

#include "ekiden/events/store.hpp"
#include "ekiden/feedback/judgement.hpp"
#include "tests/support/fake_clock.hpp"

namespace ekiden::feedback {
namespace {

using account::SuppressionReason;
using Kind = Judgement::Kind;

std::shared_ptr<const shaping::Providers> providers() {
  static const auto loaded = shaping::load_providers("");
  return loaded.providers;
}

events::Event bounce(std::string recipient, std::string host, std::string phase, std::string reply,
                     std::uint64_t number = 1) {
  events::Event event;
  event.kind = events::Kind::Bounced;
  event.message = {number, 1};
  event.recipient = std::move(recipient);
  event.sender = "news@shop.example";
  event.tenant = "default";
  event.stream = "news";
  event.remote_host = std::move(host);
  event.phase = std::move(phase);
  event.reply_code = static_cast<std::uint16_t>(std::stoi(reply.substr(0, 3)));
  event.reply = std::move(reply);
  event.id = events::event_id(event.message, 0, event.kind, 0);
  return event;
}

Kind kind_of(const events::Event& event) {
  return judge(event, *providers()).kind;
}

TEST(Judgement, AnUnknownUserIsSuppressedEverywhere) {
  const Judgement made = judge(
      bounce("a@example.org", "mx.example.org", "rcpt", "550 5.1.1 <a@example.org>: User unknown"),
      *providers());
  EXPECT_EQ(made.kind, Kind::Suppress);
  EXPECT_EQ(made.reason, SuppressionReason::Bounce);
  EXPECT_EQ(made.stream, account::kAllStreams);
}

TEST(Judgement, WhatIsNotTheRecipientsOwnMakingNeverSuppresses) {
  const struct {
    const char *host, *recipient, *phase, *reply;
  } kReplies[] = {
      {"mx.example.org", "a@example.org", "rcpt",
       "550 5.7.1 Service unavailable; blocked using "
       "zen.spamhaus.org"},
      {"mx.example.org", "a@example.org", "rcpt", "550 5.7.1 User unknown"},
      {"mx.example.org", "a@example.org", "eod", "554 5.7.1 Message rejected as spam"},
      {"mx.example.org", "a@example.org", "mail",
       "553 5.1.8 Sender address rejected: Domain not "
       "found"},
      {"mx.example.org", "a@example.org", "rcpt", "554 5.7.1 Relay access denied"},
      {"mx.example.org", "a@example.org", "eod", "552 5.3.4 Message size exceeds limit"},
      {"mx.example.org", "a@example.org", "rcpt", "550 Message rejected: SPF check failed"},
      {"mx.example.org", "a@example.org", "eod",
       "550 5.7.26 Unauthenticated email is not accepted"},
      {"mfsmax.docomo.ne.jp", "a@docomo.ne.jp", "eod", "550 Unknown user a@docomo.ne.jp"},
      {"mfsmax.docomo.ne.jp", "a@docomo.ne.jp", "data", "550 Unknown user a@docomo.ne.jp"},
      {"nx.au.com", "a@ezweb.ne.jp", "rcpt", "550 : User unknown"},
      {"nx.au.com", "a@au.com", "rcpt", "550 : User unknown"},
  };
  for (const auto& one : kReplies) {
    EXPECT_NE(kind_of(bounce(one.recipient, one.host, one.phase, one.reply)), Kind::Suppress)
        << one.host << ' ' << one.phase << ' ' << one.reply;
  }
}

TEST(Judgement, TheCarriersUnknownUsersAreSuppressed) {
  EXPECT_EQ(kind_of(bounce("a@docomo.ne.jp", "mfsmax.docomo.ne.jp", "rcpt",
                           "550 Unknown user a@docomo.ne.jp")),
            Kind::Suppress);
  EXPECT_EQ(
      kind_of(bounce("a@ezweb.ne.jp", "nx.au.com", "rcpt", "550 <a@ezweb.ne.jp>: User unknown")),
      Kind::Suppress);
}

TEST(Judgement, OurOwnRepliesAndReportsSayNothing) {
  auto own = bounce("a@example.org", "", "rcpt", "550 5.1.1 User unknown");
  EXPECT_EQ(kind_of(own), Kind::Nothing) << "queue bounce, no such domain";
  auto report = bounce("a@example.org", "mx.example.org", "rcpt", "550 5.1.1 User unknown");
  report.sender.clear();
  EXPECT_EQ(kind_of(report), Kind::Nothing);
  auto transient = bounce("a@example.org", "mx.example.org", "rcpt", "450 4.1.1 User unknown");
  EXPECT_EQ(kind_of(transient), Kind::Nothing);
}

TEST(Judgement, AFullMailboxFailsSoftly) {
  EXPECT_EQ(kind_of(bounce("a@example.org", "mx.example.org", "rcpt", "552 5.2.2 Mailbox full")),
            Kind::SoftFailure);
}

TEST(Judgement, ComplaintsStopBulkAndUnsubscribesTheirStream) {
  events::Event event;
  event.kind = events::Kind::Complained;
  EXPECT_EQ(judge(event, *providers()).stream, account::kBulkStreams);
  event.kind = events::Kind::Unsubscribed;
  EXPECT_EQ(judge(event, *providers()).kind, Kind::Nothing) << "from no stream";
  event.stream = "news";
  EXPECT_EQ(judge(event, *providers()).stream, "news");
  event.kind = events::Kind::Opened;
  EXPECT_EQ(judge(event, *providers()).kind, Kind::Nothing);
}

struct OutcomeReaderTest : testing::Test {
  OutcomeReaderTest() {
    std::string pattern = testing::TempDir() + "ekiden-feed-XXXXXX";
    dir = ::mkdtemp(pattern.data());
    store = open();
    events_store = std::make_unique<events::Store>(clock, events::Store::Options{dir + "/events"},
                                                   events::Store::Counters{});
  }
  ~OutcomeReaderTest() override { std::filesystem::remove_all(dir); }
  std::unique_ptr<account::Store> open() {
    auto opened = account::Store::open(dir, clock.now());
    EXPECT_TRUE(opened);
    EXPECT_TRUE((*opened)->refresh());
    return std::move(*opened);
  }
  void write(std::vector<events::Event> happened) {
    std::vector<std::string> encoded;
    for (events::Event& event : happened) {
      event.time = clock.now();
      encoded.push_back(events::encode_event(event));
    }
    ASSERT_TRUE(events_store->write(encoded));
  }
  bool is_suppressed(const char* address) {
    return store->suppressions()
        ->find("default", address, "news", account::StreamKind::Bulk, clock.now())
        .has_value();
  }
  OutcomeReader reader() { return OutcomeReader(*store, dir + "/events", providers()); }

  test::FakeClock clock;
  std::string dir;
  std::unique_ptr<account::Store> store;
  std::unique_ptr<events::Store> events_store;
};

TEST_F(OutcomeReaderTest, DrawsItsConclusionsOnce) {
  OutcomeReader first = reader();
  EXPECT_EQ(*first.step(clock.now()), OutcomeReader::Step::CaughtUp);
  write({bounce("gone@example.org", "mx.example.org", "rcpt", "550 5.1.1 User unknown", 1),
         bounce("fine@example.org", "mx.example.org", "eod", "554 5.7.1 Spam", 2)});
  ASSERT_TRUE(first.step(clock.now()));
  EXPECT_TRUE(is_suppressed("gone@example.org"));
  EXPECT_FALSE(is_suppressed("fine@example.org"));
  account::SuppressionFilter filter;
  filter.address = "gone@example.org";
  const auto kept = store->suppressions(filter, 0, 10);
  EXPECT_EQ(kept->front().note, "550 5.1.1 User unknown");
  EXPECT_NE(kept->front().source, "");
  // Released by hand it stays released, also for a reader that begins anew behind it.
  ASSERT_TRUE(store->remove_suppressions(filter, {"a test", clock.now()}));
  ASSERT_TRUE(first.step(clock.now()));
  OutcomeReader second = reader();
  ASSERT_TRUE(second.step(clock.now()));
  EXPECT_FALSE(is_suppressed("gone@example.org"));
}

TEST_F(OutcomeReaderTest, AComplaintNamesTheSourceAndTheProviderOfItsDelivery) {
  events::Event delivered;
  delivered.kind = events::Kind::Delivered;
  delivered.message = {7, 1};
  delivered.recipient = "b@example.org";
  delivered.tenant = "default";
  delivered.source = "mail2";
  delivered.remote_host = "gmail-smtp-in.l.google.com";
  delivered.id = events::event_id(delivered.message, 0, delivered.kind, 1);
  events::Event other = delivered;
  other.recipient_index = 1;
  other.source = "mail1";
  other.id = events::event_id(other.message, 1, other.kind, 1);
  events::Event complained;
  complained.kind = events::Kind::Complained;
  complained.message = delivered.message;
  complained.recipient = delivered.recipient;
  complained.tenant = "default";
  complained.id = events::event_id(complained.message, 0, complained.kind, 1);
  events::Event of_nobody = complained;
  of_nobody.message = {8, 1};
  of_nobody.id = events::event_id(of_nobody.message, 0, of_nobody.kind, 1);
  write({delivered, other, complained, of_nobody});
  OutcomeReader one = reader();
  ASSERT_TRUE(one.step(clock.now()));
  const std::vector<Complaint> complaints = one.take_complaints();
  ASSERT_EQ(complaints.size(), 1u) << "of mail that nobody knows nothing follows";
  EXPECT_EQ(complaints[0].source, "mail2");
  EXPECT_EQ(complaints[0].provider, "gmail");
  EXPECT_TRUE(one.take_complaints().empty());
  OutcomeReader later = reader();
  ASSERT_TRUE(later.step(clock.now()));
  EXPECT_TRUE(later.take_complaints().empty()) << "once, over a restart";
}

TEST_F(OutcomeReaderTest, ReadsInSlicesUntilItHasCaughtUp) {
  std::vector<events::Event> many;
  for (std::uint64_t i = 1; i <= OutcomeReader::kEventsAtOnce + 5; ++i)
    many.push_back(bounce("u" + std::to_string(i) + "@example.org", "mx.example.org", "rcpt",
                          "550 5.1.1 User unknown", i));
  write(many);
  OutcomeReader one = reader();
  EXPECT_EQ(*one.step(clock.now()), OutcomeReader::Step::More);
  EXPECT_EQ(*one.step(clock.now()), OutcomeReader::Step::CaughtUp);
  EXPECT_EQ(store->suppressions()->size(), OutcomeReader::kEventsAtOnce + 5);
}

TEST_F(OutcomeReaderTest, ABounceLastsAsLongAsTheTenantSays) {
  account::TenantSettings settings;
  settings.suppression_days = 1;
  ASSERT_TRUE(store->set_tenant("default", settings, {"a test", clock.now()}));
  write({bounce("gone@example.org", "mx.example.org", "rcpt", "550 5.1.1 User unknown")});
  OutcomeReader one = reader();
  ASSERT_TRUE(one.step(clock.now()));
  EXPECT_TRUE(is_suppressed("gone@example.org"));
  const auto set = store->suppressions();
  EXPECT_FALSE(set->find("default", "gone@example.org", "news", account::StreamKind::Bulk,
                         clock.now() + std::chrono::hours(25)));
  ASSERT_TRUE(one.step(clock.now() + std::chrono::hours(25)));
  EXPECT_TRUE(store->suppressions()->is_empty()) << "swept";
}

}  // namespace
}  // namespace ekiden::feedback
