#include "ekiden/message/envelope.hpp"

#include <gtest/gtest.h>

#include "ekiden/base/random.hpp"
#include "ekiden/message/error.hpp"

namespace ekiden::message {
namespace {

Meta full_meta() {
  Meta meta;
  meta.envelope.reverse_path = "sender@example.jp";
  meta.envelope.recipients = {{"a..b@docomo.ne.jp", "rfc822;a..b@docomo.ne.jp", kNotifySuccess},
                              {"宛先@例え.jp", "", kNotifyDefault, "10.0.0.5:25,10.0.0.6:25"},
                              {"ours@example.jp", "", kNotifyDefault, "10.0.0.7:25"}};
  meta.envelope.envid = "QQ+2B1";
  meta.envelope.auth = "<>";
  meta.envelope.ret = Return::Headers;
  meta.envelope.body = BodyType::BinaryMime;
  meta.envelope.smtputf8 = true;
  meta.details.tenant = "t";
  meta.details.stream = "bulk";
  meta.details.tags = {"one", "two"};
  meta.details.metadata = R"({"order":7})";
  meta.details.received = base::from_unix_us(1'795'327'811'123'456);
  meta.details.send_at = base::from_unix_us(1'795'327'999'000'000);
  meta.details.client_address = "2001:db8::1";
  meta.details.client_name = "client.example";
  meta.details.identity = "app";
  meta.details.listener = "0.0.0.0:587";
  meta.details.is_authenticated = true;
  meta.details.alignment = "aligned: DKIM d=example.jp";
  meta.details.batch = "0123456789abcdef";
  meta.details.pool = "marketing";
  meta.details.protocol = "ESMTPSA";
  meta.details.header_from = "from@example.jp";
  meta.details.subject = "件名";
  meta.details.message_id = "<1@x>";
  meta.details.size = 123456789012;
  meta.details.is_eight_bit = true;
  meta.details.has_utf8_header = true;
  meta.details.is_generated = true;
  return meta;
}

TEST(Meta, ComesBackAsItWasStored) {
  EXPECT_EQ(*decode_meta(encode_meta(full_meta())), full_meta());
  EXPECT_EQ(*decode_meta(encode_meta(Meta{})), Meta{});
}

TEST(Meta, ReaderSkipsWhatALaterVersionAddsAtTheEnd) {
  EXPECT_EQ(*decode_meta(encode_meta(full_meta()) + "more"), full_meta());
}

// There the message had a next hop and its recipients had none.
TEST(Meta, NextHopOfAnOlderWriterIsThatOfEachRecipient) {
  Meta meta;
  meta.envelope.recipients = {{"a@example.jp"}, {"b@example.jp"}};
  meta.details.message_id = "<1@x>";
  std::string octets = encode_meta(meta);
  const std::string::size_type at = octets.find("<1@x>") + 5;
  ASSERT_EQ(octets[at], 0);
  octets.replace(at, 1,
                 "\x0b"
                 "10.0.0.5:25");
  const std::string::size_type block = 5 + static_cast<unsigned char>(octets[1]);
  octets[block] = static_cast<char>(octets[block] + 11);  // the length of the details
  for (Recipient& recipient : meta.envelope.recipients) recipient.next_hop = "10.0.0.5:25";
  EXPECT_EQ(*decode_meta(octets), meta);
}

TEST(Meta, WhatIsAskedOfTlsSurvives) {
  for (const TlsDemand demand : {TlsDemand::Usual, TlsDemand::Required, TlsDemand::Optional}) {
    Meta meta = full_meta();
    meta.details.tls_demand = demand;
    EXPECT_EQ(decode_meta(encode_meta(meta))->details.tls_demand, demand);
  }
}

TEST(Meta, EveryTruncationIsAnError) {
  const std::string octets = encode_meta(full_meta());
  for (std::size_t n = 0; n < octets.size(); ++n) {
    EXPECT_EQ(decode_meta(std::string_view(octets).substr(0, n)).error(), Errc::BadMeta) << n;
  }
}

TEST(Meta, RandomDamageIsReadOrRefusedButNeverTrusted) {
  base::SeededRandom random(5);
  const std::string good = encode_meta(full_meta());
  for (int round = 0; round < 20'000; ++round) {
    std::string octets = good;
    for (std::uint64_t n = 1 + random.below(4); n > 0; --n) {
      octets[random.below(octets.size())] = static_cast<char>(random.next());
    }
    const Result<Meta> meta = decode_meta(octets);
    if (meta) {
      EXPECT_LE(meta->envelope.recipients.size(), octets.size());
    }
  }
}

}  // namespace
}  // namespace ekiden::message
