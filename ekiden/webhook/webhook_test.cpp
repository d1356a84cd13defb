// Goal: a URL leads only where it may, a post is what receivers of its format expect, and a failure
// is tried again when it should be. Method: values in, values out; the ledger on a real file.
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <boost/json/parse.hpp>
#include <filesystem>

#include "ekiden/base/random.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/webhook/address_guard.hpp"
#include "ekiden/webhook/ledger.hpp"
#include "ekiden/webhook/payload.hpp"
#include "ekiden/webhook/schedule.hpp"
#include "ekiden/webhook/signature.hpp"
#include "ekiden/webhook/target.hpp"

namespace ekiden::webhook {
namespace {

using account::WebhookFormat;
using namespace std::chrono_literals;

const base::Time kNow = base::from_unix_us(1'795'305'600'000'000);  // 2026-11-22T00:00:00Z

TEST(Target, IsTakenApartOneWay) {
  std::string why;
  auto target = parse_target("https://Hooks.Example.JP/a/b?c=d#e", why);
  ASSERT_TRUE(target) << why;
  EXPECT_EQ(target->host, "hooks.example.jp");
  EXPECT_EQ(target->port, 443);
  EXPECT_EQ(target->path, "/a/b?c=d");
  EXPECT_EQ(target->origin(), "https://hooks.example.jp");
  EXPECT_FALSE(target->address);

  target = parse_target("http://user:p%40ss@[2001:DB8::1]:8080?x", why);
  ASSERT_TRUE(target) << why;
  EXPECT_FALSE(target->is_secure);
  EXPECT_EQ(target->host, "2001:db8::1");
  EXPECT_EQ(target->path, "/?x");
  EXPECT_EQ(target->origin(), "http://[2001:db8::1]:8080");
  EXPECT_EQ(target->authorization, "Basic " + base::encode_base64("user:p@ss"));

  target = parse_target("https://192.0.2.7", why);
  ASSERT_TRUE(target) << why;
  ASSERT_TRUE(target->address);
  EXPECT_EQ(target->path, "/");
}

TEST(Target, WhatOthersMayReadOtherwiseIsRefused) {
  for (const char* url : {
           "",
           "hooks.example.jp",
           "ftp://example.jp/",
           "file:///etc/passwd",
           "https://",
           "https:///path",
           "https://exa mple.jp/",
           "https://example.jp/\r\nX: y",
           "https://example.jp\\@127.0.0.1/",
           "https://example.jp@evil@127.0.0.1/",
           "https://example.jp@127.0.0.1/",  // a user without a password is a trick more often
           "https://127.1/",
           "https://2130706433/",
           "https://0x7f000001/",
           "https://0x7f.0.0.1/",
           "https://0177.0.0.1/",
           "https://127.0.0.1.:443/x",
           "https://1.2.3.4.5/",
           "https://[127.0.0.1]/",
           "https://[::1/",
           "https://[fe80::1%25eth0]/",
           "https://example.jp:22/",
           "https://example.jp:0/",
           "https://example.jp:65536/",
           "https://example.jp:+443/",
           "https://example.jp:/",
           "https://-example-.jp:x/",
       }) {
    std::string why;
    EXPECT_FALSE(parse_target(url, why)) << url;
    EXPECT_FALSE(why.empty()) << url;
  }
  std::string why;
  EXPECT_FALSE(parse_target("https://example.jp/" + std::string(kUrlOctetsMax, 'a'), why));
}

TEST(AddressGuard, OnlyTheInternetUnlessListed) {
  using Verdict = AddressGuard::Verdict;
  const AddressGuard strict;
  const AddressGuard open({*net::parse_address_block("10.0.0.0/8"),
                           *net::parse_address_block("64:ff9b::/96"),
                           *net::parse_address_block("2002:a00::/24")});
  const auto judge = [](const AddressGuard& guard, const char* text) {
    return guard.judge(*net::parse_address(text));
  };
  for (const char* text : {"93.184.216.34", "8.8.8.8", "2606:2800:220:1::1"}) {
    EXPECT_EQ(judge(strict, text), Verdict::Public) << text;
    EXPECT_EQ(judge(open, text), Verdict::Public) << text;
  }
  for (const char* text : {"127.0.0.1",
                           "127.255.255.254",
                           "0.0.0.0",
                           "10.1.2.3",
                           "172.16.0.1",
                           "192.168.1.1",
                           "100.64.0.1",
                           "169.254.169.254",
                           "224.0.0.1",
                           "239.255.255.255",
                           "255.255.255.255",
                           "192.0.2.1",
                           "198.18.0.1",
                           "::",
                           "::1",
                           "fe80::1",
                           "fc00::1",
                           "fd00:ec2::254",
                           "ff02::1",
                           "::ffff:127.0.0.1",
                           "::ffff:10.0.0.1",
                           "::ffff:93.184.216.34",
                           "64:ff9b::7f00:1",
                           "64:ff9b::5db8:d822",
                           "64:ff9b:1::1",
                           "2002:7f00:1::",
                           "2002:a00:1::",
                           "2002:5db8:d822::",
                           "2001::1",
                           "2001:db8::1",
                           "100::1",
                           "::127.0.0.1"}) {
    EXPECT_EQ(judge(strict, text), Verdict::Refused) << text;
  }
  EXPECT_EQ(judge(open, "10.1.2.3"), Verdict::Allowed);
  EXPECT_EQ(judge(open, "::ffff:10.1.2.3"), Verdict::Allowed);
  EXPECT_EQ(judge(open, "64:ff9b::5db8:d822"), Verdict::Allowed) << "a listed translator";
  EXPECT_EQ(judge(open, "64:ff9b::a00:1"), Verdict::Allowed) << "both listed";
  EXPECT_EQ(judge(open, "64:ff9b::7f00:1"), Verdict::Refused) << "still no way to loopback";
  EXPECT_EQ(judge(open, "2002:a00:1::"), Verdict::Allowed);
  EXPECT_EQ(judge(open, "192.168.1.1"), Verdict::Refused);
}

TEST(Schedule, WaitsGrowToAnHourAndVary) {
  base::SeededRandom random(7);
  const base::Duration nominal[] = {5s, 15s, 45s, 135s, 405s, 1215s, 3600s, 3600s, 3600s};
  for (std::uint32_t failures = 1; failures <= 9; ++failures) {
    base::Duration least = base::Duration::max(), most{};
    for (int i = 0; i < 200; ++i) {
      const base::Duration wait = retry_wait(failures, random);
      least = std::min(least, wait);
      most = std::max(most, wait);
    }
    EXPECT_GE(least, nominal[failures - 1] * 8 / 10) << failures;
    EXPECT_LE(most, nominal[failures - 1] * 12 / 10) << failures;
    EXPECT_GT(most - least, nominal[failures - 1] / 4) << "they are spread";
  }
  EXPECT_LE(retry_wait(4'000'000'000, random), 72min);
}

TEST(Schedule, ADayHasEnoughAttempts) {
  base::SeededRandom random(1);
  base::Duration passed{};
  std::uint32_t failures = 1;
  for (; passed < kGiveUpAfter; ++failures) passed += retry_wait(failures, random);
  EXPECT_GE(failures, 24u);
  EXPECT_LE(failures, 45u);
}

TEST(Schedule, RetryAfterIsSecondsOrADate) {
  EXPECT_EQ(parse_retry_after("120", kNow), 120s);
  EXPECT_EQ(parse_retry_after(" 0 ", kNow), 0s);
  EXPECT_EQ(parse_retry_after("99999999999", kNow), kRetryAfterMax);
  EXPECT_EQ(parse_retry_after("Sun, 22 Nov 2026 00:02:00 GMT", kNow), 120s);
  EXPECT_EQ(parse_retry_after("Sun, 22 Nov 2020 00:02:00 GMT", kNow), 0s);
  EXPECT_EQ(parse_retry_after("Sun, 22 Nov 2036 00:02:00 GMT", kNow), kRetryAfterMax);
  for (const char* text : {"", "soon", "-1", "1.5", "Sun, 22 Nov 2026 00:02:00 JST",
                           "Sun, 99 Nov 2026 00:02:00 GMT", "Sun, 22 Foo 2026 00:02:00 GMT"}) {
    EXPECT_FALSE(parse_retry_after(text, kNow)) << text;
  }
}

TEST(Signature, IsTheOneOfStandardWebhooks) {
  // The example of the specification's libraries.
  EXPECT_EQ(sign_standard("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek",
                          1614265330, R"({"test": 2432232314})"),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
  base::SeededRandom random(3);
  const std::string made = make_standard_secret(random);
  EXPECT_TRUE(is_standard_secret(made));
  EXPECT_NE(made, make_standard_secret(random));
  for (const char* bad : {"", "whsec_", "whsec_QUJD", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                          "whsec_!fKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}) {
    EXPECT_FALSE(is_standard_secret(bad)) << bad;
    EXPECT_FALSE(sign_standard(bad, "id", 1, "body")) << bad;
  }
}

TEST(Signature, SendGridsVerifiesWithThePublicKeyThatIsHandedOut) {
  const auto key = make_sendgrid_key();
  ASSERT_TRUE(key);
  const auto shown = sendgrid_public_key(*key);
  ASSERT_TRUE(shown);
  EXPECT_EQ(shown->size(), 124u);
  EXPECT_TRUE(shown->starts_with("MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcD"));
  const auto signature = sign_sendgrid(*key, "1614265330", "[1]");
  ASSERT_TRUE(signature);

  const std::string der = *base::decode_base64(*shown);
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  EVP_PKEY* const public_key = d2i_PUBKEY(nullptr, &at, static_cast<long>(der.size()));
  ASSERT_NE(public_key, nullptr);
  const std::string octets = *base::decode_base64(*signature);
  const auto verifies = [&](std::string_view text) {
    EVP_MD_CTX* const context = EVP_MD_CTX_new();
    EVP_DigestVerifyInit(context, nullptr, EVP_sha256(), nullptr, public_key);
    const int result = EVP_DigestVerify(
        context, reinterpret_cast<const unsigned char*>(octets.data()), octets.size(),
        reinterpret_cast<const unsigned char*>(text.data()), text.size());
    EVP_MD_CTX_free(context);
    return result == 1;
  };
  EXPECT_TRUE(verifies("1614265330[1]"));
  EXPECT_FALSE(verifies("1614265331[1]"));
  EVP_PKEY_free(public_key);
  EXPECT_FALSE(sign_sendgrid("no key", "1", "x"));
}

TEST(Signature, ABatchIsNamedByItsEvents) {
  EXPECT_EQ(batch_id({"a-0-delivered-1"}), "a-0-delivered-1");
  const std::string two = batch_id({"a", "b"});
  EXPECT_TRUE(two.starts_with("batch-"));
  EXPECT_EQ(two, batch_id({"a", "b"}));
  EXPECT_NE(two, batch_id({"b", "a"}));
  EXPECT_NE(two, batch_id({"a", "b", "c"}));
}

events::Event event(events::Kind kind) {
  events::Event e;
  e.kind = kind;
  e.time = kNow + 1500ms;
  e.message = {(1'795'305'600'000ull) << 16, 7};
  e.recipient = "user@example.jp";
  e.sender = "news@shop.example";
  e.subject = "<b>Hello</b> & [info]";
  e.tags = {"spring", "sale"};
  e.tenant = "shop";
  e.stream = "bulk";
  e.internet_message_id = "<1@shop.example>";
  e.reply_code = kind == events::Kind::Delivered ? 250 : 550;
  e.enhanced_code = kind == events::Kind::Delivered ? "2.0.0" : "5.1.1";
  e.reply = "said so";
  e.attempt = 2;
  e.id = events::event_id(e.message, 0, kind, 2);
  return e;
}

boost::json::value json_of(WebhookFormat format, const events::Event& e, std::uint32_t batch = 2) {
  return boost::json::parse(compose(format, {&e}, batch).body);
}

TEST(Payload, StandardIsAnEnvelopeAroundTheEvent) {
  const events::Event e = event(events::Kind::Delivered);
  const auto one = json_of(WebhookFormat::Standard, e, 1).as_object();
  EXPECT_EQ(one.at("type"), "mail.delivered");
  EXPECT_EQ(one.at("timestamp").as_string(), base::format_rfc3339(e.time));
  EXPECT_EQ(one.at("data").at("id").as_string(), e.id);
  const auto list = json_of(WebhookFormat::Standard, e, 100).as_object();
  EXPECT_EQ(list.at("type"), "mail.events");
  EXPECT_EQ(list.at("data").at("events").at(0), one.at("data"));
  EXPECT_EQ(compose(WebhookFormat::Standard, {&e, &e}, 2).body,
            compose(WebhookFormat::Standard, {&e, &e}, 2).body);
}

TEST(Payload, SendGridHasItsNamesAndFields) {
  const struct {
    events::Kind kind;
    const char* name;
  } kNames[] = {
      {events::Kind::Accepted, "processed"},    {events::Kind::Delivered, "delivered"},
      {events::Kind::Deferred, "deferred"},     {events::Kind::Bounced, "bounce"},
      {events::Kind::Expired, "bounce"},        {events::Kind::Suppressed, "dropped"},
      {events::Kind::Complained, "spamreport"}, {events::Kind::Opened, "open"},
      {events::Kind::Clicked, "click"},         {events::Kind::Unsubscribed, "unsubscribe"}};
  for (const auto& [kind, name] : kNames) {
    const auto one = json_of(WebhookFormat::SendGrid, event(kind)).at(0).as_object();
    EXPECT_EQ(one.at("event").as_string(), name);
    EXPECT_EQ(one.at("email"), "user@example.jp");
    EXPECT_EQ(one.at("timestamp"), 1'795'305'601);
    EXPECT_EQ(one.at("smtp-id"), "<1@shop.example>");
    EXPECT_EQ(one.at("sg_event_id").as_string(), event(kind).id);
    EXPECT_EQ(one.at("category").as_array().size(), 2u);
    EXPECT_TRUE(has_word_for(WebhookFormat::SendGrid, kind));
  }
  const auto bounce = json_of(WebhookFormat::SendGrid, event(events::Kind::Bounced)).at(0);
  EXPECT_EQ(bounce.at("type"), "bounce");
  EXPECT_EQ(bounce.at("status"), "5.1.1");
  EXPECT_EQ(bounce.at("reason"), "550 5.1.1 said so");
  events::Event blocked = event(events::Kind::Bounced);
  blocked.enhanced_code = "5.7.1";
  EXPECT_EQ(json_of(WebhookFormat::SendGrid, blocked).at(0).at("type"), "blocked");
  const auto deferred = json_of(WebhookFormat::SendGrid, event(events::Kind::Deferred)).at(0);
  EXPECT_EQ(deferred.at("attempt"), "2");
  EXPECT_FALSE(has_word_for(WebhookFormat::SendGrid, events::Kind::Held));
}

TEST(Payload, SendGridHasCustomArgumentsBesideItsFields) {
  events::Event e = event(events::Kind::Delivered);
  e.metadata = R"({"order":"7","email":"other@example.jp","campaign":{"n":1}})";
  const auto one = json_of(WebhookFormat::SendGrid, e).at(0).as_object();
  EXPECT_EQ(one.at("order"), "7");
  EXPECT_EQ(one.at("campaign").at("n"), 1);
  EXPECT_EQ(one.at("email"), "user@example.jp") << "an argument replaces nothing";
  e.metadata = "no object";
  EXPECT_FALSE(json_of(WebhookFormat::SendGrid, e).at(0).as_object().contains("order"));
}

TEST(Payload, SendGridNamesTheGroupThatWasLeft) {
  events::Event e = event(events::Kind::Unsubscribed);
  e.stream = "group-7";
  const auto left = json_of(WebhookFormat::SendGrid, e).at(0).as_object();
  EXPECT_EQ(left.at("event"), "group_unsubscribe");
  EXPECT_EQ(left.at("asm_group_id"), 7);
  e.kind = events::Kind::Delivered;
  EXPECT_EQ(json_of(WebhookFormat::SendGrid, e).at(0).at("event"), "delivered");
}

TEST(Payload, BlastengineNamesTheDeliveryAndItsInsertCodes) {
  events::Event e = event(events::Kind::Bounced);
  e.metadata = R"({"insert_codes":[{"key":"__code1__","value":"v"}]})";
  const auto detail =
      json_of(WebhookFormat::Blastengine, e).at("events").at(0).at("event").at("detail");
  EXPECT_EQ(detail.at("delivery_id"), delivery_id(e.message));
  EXPECT_EQ(detail.at("insert_codes").at(0).at("value"), "v");
  e.metadata = R"({"delivery_id":22})";
  EXPECT_EQ(delivery_id(e), 22);
  e.metadata.clear();
  const auto bare =
      json_of(WebhookFormat::Blastengine, e).at("events").at(0).at("event").at("detail");
  EXPECT_TRUE(bare.at("insert_codes").as_array().empty());
}

TEST(Payload, BlastengineHasItsThreeClasses) {
  const auto type_of = [](const events::Event& e) {
    return json_of(WebhookFormat::Blastengine, e).at("events").at(0).at("event").at("type");
  };
  EXPECT_EQ(type_of(event(events::Kind::Bounced)), "HARDERROR");
  EXPECT_EQ(type_of(event(events::Kind::Expired)), "SOFTERROR");
  EXPECT_EQ(type_of(event(events::Kind::Suppressed)), "DROP");
  events::Event policy = event(events::Kind::Bounced);
  policy.fault = "sender";
  EXPECT_EQ(type_of(policy), "SOFTERROR") << "whose fault it is comes before codes";
  const auto one = json_of(WebhookFormat::Blastengine, event(events::Kind::Bounced))
                       .at("events")
                       .at(0)
                       .at("event");
  EXPECT_EQ(one.at("datetime"), "2026-11-22T09:00:01+09:00");
  EXPECT_EQ(one.at("detail").at("error_code"), "550(errors)");
  EXPECT_FALSE(has_word_for(WebhookFormat::Blastengine, events::Kind::Delivered));
}

TEST(Payload, InChatStrangersWriteNoMarkup) {
  const events::Event e = event(events::Kind::Bounced);
  const std::string slack(json_of(WebhookFormat::Slack, e).at("text").as_string());
  EXPECT_NE(slack.find("&lt;b&gt;Hello&lt;/b&gt; &amp; [info]"), std::string::npos) << slack;
  EXPECT_EQ(slack.find('<'), std::string::npos);
  const std::string chatwork = compose(WebhookFormat::Chatwork, {&e}, 1).body;
  EXPECT_EQ(chatwork.find("%5B"), std::string::npos) << chatwork;
  EXPECT_TRUE(chatwork.starts_with("self_unread=1&body=bounced%20user%40example.jp"));
  const auto card = json_of(WebhookFormat::Teams, e).at("attachments").at(0).at("content");
  EXPECT_EQ(card.at("body").at(0).at("inlines").at(0).at("type"), "TextRun");
  EXPECT_FALSE(json_of(WebhookFormat::LineWorks, e).at("body").at("text").as_string().empty());
  events::Event wild = e;
  wild.subject = "a\r\nb\x1b[31m\xff";
  for (const auto format : {WebhookFormat::Slack, WebhookFormat::Teams, WebhookFormat::SendGrid,
                            WebhookFormat::LineWorks, WebhookFormat::Standard}) {
    const std::string body = compose(format, {&wild}, 1).body;
    EXPECT_TRUE(base::is_valid_utf8(body));
    EXPECT_EQ(body.find('\x1b'), std::string::npos);
    boost::json::parse(body);
  }
}

struct LedgerTest : testing::Test {
  LedgerTest() {
    std::string pattern = testing::TempDir() + "ekiden-ledger-XXXXXX";
    dir = ::mkdtemp(pattern.data());
    ledger = open();
  }
  ~LedgerTest() override {
    ledger.reset();
    std::filesystem::remove_all(dir);
  }
  std::unique_ptr<Ledger> open() {
    std::string problem;
    auto opened = Ledger::open(dir, &problem);
    EXPECT_TRUE(opened) << problem;
    return opened ? std::move(*opened) : nullptr;
  }
  std::string dir;
  std::unique_ptr<Ledger> ledger;
};

TEST_F(LedgerTest, KeepsProgressAcrossLives) {
  EXPECT_EQ(*ledger->load(1, Ledger::kLive), std::nullopt);
  Progress progress;
  progress.cursor = {{20'000, 7}, {20'001, 9}};
  progress.pending = events::Cursor{};
  progress.failures = 3;
  progress.failing_since = kNow;
  progress.next = kNow + 5s;
  progress.delivered = 12;
  progress.last_success = kNow - 5s;
  Attempt attempt;
  attempt.webhook = 1;
  attempt.time = kNow;
  attempt.kind = "live";
  attempt.outcome = "answered 500";
  attempt.status = 500;
  ASSERT_TRUE(ledger->record(Ledger::kLive, progress, attempt));
  ASSERT_TRUE(ledger->save(1, 5, Progress{}));
  ledger = open();
  EXPECT_EQ(**ledger->load(1, Ledger::kLive), progress);
  EXPECT_EQ(**ledger->load(1, 5), Progress{});
  ASSERT_TRUE(ledger->forget_order(1, 5));
  EXPECT_EQ(*ledger->load(1, 5), std::nullopt);
  ASSERT_EQ(ledger->attempts(1, 10)->size(), 1u);
  EXPECT_EQ(ledger->attempts(1, 10)->front().outcome, "answered 500");
  ASSERT_TRUE(ledger->forget_others({2}));
  EXPECT_EQ(*ledger->load(1, Ledger::kLive), std::nullopt);
  EXPECT_TRUE(ledger->attempts(1, 10)->empty());
}

TEST_F(LedgerTest, TheAttemptLogIsBounded) {
  Attempt attempt;
  attempt.webhook = 1;
  for (int i = 0; i < Ledger::kAttemptsMax + 50; ++i) {
    attempt.events = static_cast<std::uint64_t>(i);
    ASSERT_TRUE(ledger->record_attempt(attempt));
  }
  attempt.webhook = 2;
  ASSERT_TRUE(ledger->record_attempt(attempt));
  const auto kept = ledger->attempts(1, 10'000);
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->size(), static_cast<std::size_t>(Ledger::kAttemptsMax));
  EXPECT_EQ(kept->front().events, static_cast<std::uint64_t>(Ledger::kAttemptsMax + 49));
  EXPECT_EQ(ledger->attempts(2, 10)->size(), 1u);
}

TEST_F(LedgerTest, OldAttemptsGo) {
  Attempt attempt;
  attempt.webhook = 1;
  attempt.time = kNow - std::chrono::days(8);
  ASSERT_TRUE(ledger->record_attempt(attempt));
  attempt.time = kNow - std::chrono::days(6);
  ASSERT_TRUE(ledger->record_attempt(attempt));
  ASSERT_TRUE(ledger->keep_attempts(std::chrono::days(7), kNow));
  EXPECT_EQ(ledger->attempts(1, 10)->size(), 1u);
  attempt.time = kNow + std::chrono::days(2);
  ASSERT_TRUE(ledger->record_attempt(attempt));
  EXPECT_EQ(ledger->attempts(1, 10)->size(), 1u) << "the next one takes it along";
}

TEST_F(LedgerTest, ANewerOneIsLeftAlone) {
  ledger.reset();
  auto database = account::Database::open(dir + "/webhooks.db");
  ASSERT_TRUE(database);
  ASSERT_TRUE(database->run("PRAGMA user_version=9"));
  std::string problem;
  EXPECT_FALSE(Ledger::open(dir, &problem));
  EXPECT_FALSE(problem.empty());
}

}  // namespace
}  // namespace ekiden::webhook
