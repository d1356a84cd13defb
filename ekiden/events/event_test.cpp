#include "ekiden/events/event.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "ekiden/base/random.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/events/codec.hpp"
#include "ekiden/events/error.hpp"

namespace ekiden::events {
namespace {

Event full_event() {
  Event e;
  e.time = base::from_unix_us(1'795'000'000'123'456);
  e.kind = Kind::Deferred;
  e.message = {0x0123456789abcdef, 0xfedcba9876543210};
  e.recipient_index = 7;
  e.attempt = 3;
  e.id = event_id(e.message, 7, Kind::Deferred, 3);
  e.recipient = "a..b@docomo.ne.jp";
  e.sender = "news@example.jp";
  e.header_from = "News <news@example.jp>";
  e.subject = "日本語";
  e.tenant = "acme";
  e.stream = "bulk";
  e.tags = {"spring", "", "spring"};
  e.metadata = R"({"order":"7"})";
  e.route = "mx";
  e.source = "192.0.2.9";
  e.remote_host = "mx.docomo.ne.jp";
  e.remote_address = "198.51.100.7:25";
  e.tls_version = "TLSv1.3";
  e.tls_cipher = "TLS_AES_256_GCM_SHA384";
  e.tls_verification = "none";
  e.reply_code = 451;
  e.enhanced_code = "4.7.1";
  e.reply = "try again\nlater";
  e.phase = "rcpt";
  e.reason = "rate";
  e.fault = "sender";
  e.queued_us = 123'456'789'012;
  e.attempt_us = 88'000;
  e.size = 10'240;
  e.client_address = "192.0.2.1";
  e.identity = "app";
  e.internet_message_id = "<1@example.jp>";
  e.may_be_duplicate = true;
  e.detail = "waiting";
  return e;
}

TEST(Event, ComesBackAsItWasEncoded) {
  const Event e = full_event();
  const Result<Event> back = decode_event(encode_event(e));
  ASSERT_TRUE(back);
  EXPECT_EQ(*back, e);
}

TEST(Event, KeepsAnIdThatIsNotTheUsualOne) {
  Event e = full_event();
  e.id = "webhook-17";
  EXPECT_EQ(decode_event(encode_event(e))->id, "webhook-17");
}

TEST(Event, AbsentFieldsCostNothing) {
  Event e;
  e.message = {1, 2};
  EXPECT_EQ(encode_event(e).size(), 26u);
  EXPECT_EQ(decode_event(encode_event(e))->id, event_id(e.message, 0, Kind::Accepted, 0));
}

TEST(Event, IdNamesMessageRecipientKindAndAttempt) {
  const base::MessageId message{5, 6};
  EXPECT_EQ(event_id(message, 4294967295u, Kind::Unsubscribed, 12),
            base::format_message_id(message) + "-4294967295-unsubscribed-12");
}

TEST(Event, EveryKindHasANameThatParses) {
  for (int i = 0; i < 16; ++i) {
    const Kind kind = static_cast<Kind>(i);
    EXPECT_EQ(parse_kind(kind_name(kind)), kind);
  }
  EXPECT_EQ(kind_name(static_cast<Kind>(16)), "unknown");
  EXPECT_FALSE(parse_kind("unknown"));
}

TEST(Event, EveryTruncationIsRefused) {
  Event e = full_event();
  e.detail = "x";
  const std::string octets = encode_event(e);
  // A cut between two fields leaves a shorter event that is well formed; any other is refused.
  std::size_t refused = 0;
  for (std::size_t n = 0; n < octets.size(); ++n) {
    const Result<Event> cut = decode_event(std::string_view(octets).substr(0, n));
    if (!cut) {
      EXPECT_EQ(cut.error(), make_error_code(Errc::Malformed));
      ++refused;
    } else {
      EXPECT_EQ(encode_event(*cut), octets.substr(0, n));
    }
  }
  EXPECT_GT(refused, octets.size() * 3 / 4);
}

TEST(Event, WhatDecodesEncodesToTheSameOctets) {
  base::SeededRandom random(1);
  const std::string octets = encode_event(full_event());
  for (int round = 0; round < 20'000; ++round) {
    std::string changed = octets;
    for (std::uint64_t n = 1 + random.below(3); n > 0; --n) {
      changed[random.below(changed.size())] = static_cast<char>(random.next());
    }
    const Result<Event> event = decode_event(changed);
    const Result<KeyView> keys = read_keys(changed);
    EXPECT_EQ(event.has_value(), keys.has_value());
    if (event) {
      EXPECT_EQ(encode_event(*event), changed);
    }
  }
}

TEST(Event, HasOneForm) {
  Event e;
  e.message = {1, 2};
  e.recipient_index = 1;
  const std::string octets = encode_event(e);
  ASSERT_EQ(octets.substr(26), std::string("\x02\x01", 2));
  const std::string head = octets.substr(0, 26);
  const std::string usual = event_id(e.message, 1, Kind::Accepted, 0);
  for (const std::string& fields :
       {std::string("\x02\x81\x00", 3),                               // one, in two octets
        std::string("\x1a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"),  // more than 64 bits
        std::string("\x04\x81\x00x", 4),                              // a length in two octets
        '\x01' + std::string(1, static_cast<char>(usual.size())) + usual + "\x02\x01"}) {
    EXPECT_FALSE(decode_event(head + fields)) << base::encode_hex(fields);
    EXPECT_FALSE(read_keys(head + fields)) << base::encode_hex(fields);
  }
}

TEST(Event, RefusesAnUnknownVersionKindOrField) {
  std::string octets = encode_event(full_event());
  octets[0] = 2;
  EXPECT_FALSE(decode_event(octets));
  octets = encode_event(full_event());
  octets[1] = 16;
  EXPECT_FALSE(decode_event(octets));
  octets = encode_event(full_event()) + std::string("\x7f\x01x", 3);
  EXPECT_FALSE(decode_event(octets));
}

TEST(Event, KeysAreReadWithoutDecoding) {
  const Event e = full_event();
  const std::string octets = encode_event(e);
  const Result<KeyView> keys = read_keys(octets);
  ASSERT_TRUE(keys);
  EXPECT_EQ(keys->time, e.time);
  EXPECT_EQ(keys->kind, e.kind);
  EXPECT_EQ(keys->message, e.message);
  EXPECT_EQ(keys->recipient_index, 7u);
  EXPECT_EQ(keys->attempt, 3u);
  EXPECT_EQ(keys->id, "");
  EXPECT_EQ(keys->recipient, e.recipient);
  EXPECT_EQ(keys->tenant, "acme");
  EXPECT_EQ(keys->internet_message_id, "<1@example.jp>");
}

TEST(Event, JsonLeavesOutWhatDoesNotApply) {
  Event e;
  e.message = {1, 2};
  e.time = base::from_unix_us(0);
  const auto json = boost::json::parse(format_event_json(e)).as_object();
  EXPECT_EQ(json.size(), 4u);
  EXPECT_EQ(json.at("kind"), "accepted");
  EXPECT_EQ(json.at("time"), "1970-01-01T00:00:00.000000Z");
}

TEST(Event, JsonHasEveryFieldAndStaysValidWhateverAPeerSent) {
  Event e = full_event();
  e.reply = "\xff\xfe\r\n\"";
  const auto json = boost::json::parse(format_event_json(e)).as_object();
  EXPECT_EQ(json.at("recipient_index"), 7);
  EXPECT_EQ(json.at("tags").as_array().size(), 3u);
  EXPECT_EQ(json.at("subject"), "日本語");
  EXPECT_EQ(json.at("may_be_duplicate"), true);
  EXPECT_EQ(json.at("metadata").at("order"), "7");
  EXPECT_EQ(json.size(), 35u);
  EXPECT_NE(json.at("reply").as_string().find("\\xff"), boost::json::string::npos);
}

TEST(Event, MetadataThatIsNoObjectIsLeftOut) {
  Event e = full_event();
  for (const char* text : {"[1]", "{", "{\"a\":}"}) {
    e.metadata = text;
    const auto json = boost::json::parse(format_event_json(e)).as_object();
    EXPECT_FALSE(json.contains("metadata")) << text;
  }
}

TEST(Event, SaysAsWhichMessageARecipientGoesOn) {
  base::MessageId as;
  as.high = 0x0123456789abULL << 16;
  as.low = 7;
  Event event;
  event.kind = Kind::Released;
  event.detail = goes_on_as("rerouted to b:25, as message x", as);
  EXPECT_EQ(successor_of(event), as);
  event.kind = Kind::Accepted;
  EXPECT_FALSE(successor_of(event));
  event.kind = Kind::Released;
  event.detail = "released by an operator";
  EXPECT_FALSE(successor_of(event));
  event.detail = "released, as message nonsense";
  EXPECT_FALSE(successor_of(event));
}

}  // namespace
}  // namespace ekiden::events
