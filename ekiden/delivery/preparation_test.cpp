#include "ekiden/delivery/preparation.hpp"

#include <gtest/gtest.h>

namespace ekiden::delivery {
namespace {

struct Case {
  message::Meta meta;
  smtp::PeerExtensions peer;
  bool prefers_bdat = false;
  std::uint64_t size = 100;
  Preparation out;
  Job job;

  explicit Case(std::vector<std::string> recipients = {"b@example.net"}) {
    meta.envelope.reverse_path = "a@example.org";
    for (std::string& address : recipients) {
      message::Recipient recipient;
      recipient.address = std::move(address);
      meta.envelope.recipients.push_back(std::move(recipient));
    }
  }
  Preparation& run() {
    job.meta = std::make_shared<const message::Meta>(meta);
    job.body.size = size;
    for (std::uint32_t i = 0; i < meta.envelope.recipients.size(); ++i) job.recipients.push_back(i);
    prepare(job, peer, prefers_bdat, out);
    return out;
  }
};

TEST(Preparation, PassesAddressesAndDsnParametersOn) {
  Case c;
  c.meta.envelope.ret = message::Return::Headers;
  c.meta.envelope.envid = "id";
  c.meta.envelope.recipients[0].notify = message::kNotifySuccess | message::kNotifyDelay;
  c.meta.envelope.recipients[0].orcpt = "rfc822;b@example.net";
  const auto& t = c.run().transaction;
  EXPECT_EQ(t.reverse_path, "a@example.org");
  EXPECT_EQ(t.ret, "HDRS");
  EXPECT_EQ(t.envid, "id");
  EXPECT_EQ(t.recipients.at(0).notify, "SUCCESS,DELAY");
  EXPECT_EQ(t.recipients[0].orcpt, "rfc822;b@example.net");
  EXPECT_EQ(t.size, 100U);
}

TEST(Preparation, WhatRulesMadeOfSenderAndHeaderIsWhatThePeerHears) {
  Case c;
  c.meta.envelope.reverse_path = "用户@example.org";
  c.out.reverse_path = "bounce-x@example.jp";
  c.out.header = "From: a longer header than before\r\n\r\n";
  c.out.header_octets = 10;
  const auto& out = c.run();
  EXPECT_EQ(out.transaction.reverse_path, "bounce-x@example.jp");
  EXPECT_FALSE(out.transaction.smtputf8) << "the address that needed it is not sent";
  EXPECT_EQ(out.transaction.size, 90U + out.header->size());
  EXPECT_TRUE(out.refused.empty());
}

TEST(Preparation, SendsDomainsAsALabelsWithoutSmtputf8) {
  Case c({"b@日本.example"});
  c.meta.envelope.reverse_path = "a@日本.example";
  const auto& out = c.run();
  EXPECT_EQ(out.transaction.reverse_path, "a@xn--wgv71a.example");
  EXPECT_EQ(out.transaction.recipients.at(0).address, "b@xn--wgv71a.example");
  EXPECT_FALSE(out.transaction.smtputf8);
  EXPECT_TRUE(out.refused.empty());
}

TEST(Preparation, BouncesOnlyTheRecipientsThatNeedSmtputf8) {
  Case c({"b@example.net", "用户@example.net"});
  const auto& out = c.run();
  EXPECT_EQ(out.recipients, std::vector<std::uint32_t>{0});
  ASSERT_EQ(out.refused.size(), 1U);
  EXPECT_EQ(out.refused[0].recipient, 1U);
  EXPECT_EQ(out.refused[0].reply.enhanced, (smtp::EnhancedCode{5, 6, 7}));
  EXPECT_EQ(out.refused[0].outcome, Outcome::Bounced);
  EXPECT_TRUE(out.refused[0].is_local);

  Case capable({"用户@日本.example"});
  capable.peer.smtputf8 = true;
  EXPECT_TRUE(capable.run().transaction.smtputf8);
  EXPECT_EQ(capable.out.transaction.recipients.at(0).address, "用户@xn--wgv71a.example");
}

TEST(Preparation, HeadersNeedSmtputf8OnlyWhenTheEnvelopeSaidSo) {
  Case old_habit;
  old_habit.meta.details.has_utf8_header = true;
  EXPECT_TRUE(old_habit.run().refused.empty());
  Case declared;
  declared.meta.envelope.smtputf8 = true;
  declared.meta.details.has_utf8_header = true;
  EXPECT_EQ(declared.run().refused.size(), 1U);
  Case needless;
  needless.meta.envelope.smtputf8 = true;
  EXPECT_TRUE(needless.run().refused.empty());
  EXPECT_FALSE(needless.out.transaction.smtputf8);
}

TEST(Preparation, NeverLetsAnAddressEndACommand) {
  for (const std::string bad :
       {"b@x.example>\r\nRCPT TO:<c@x", "b\n@x.example", "b\x7f@x.example"}) {
    Case c({bad});
    EXPECT_EQ(c.run().refused.size(), 1U);
    EXPECT_TRUE(c.out.recipients.empty());
    Case sender;
    sender.meta.envelope.reverse_path = bad;
    EXPECT_EQ(sender.run().refused.size(), 1U);
  }
  Case parameters;
  parameters.meta.envelope.envid = "a b\r\nQUIT";
  parameters.meta.envelope.recipients[0].orcpt = "utf-8;\xc3\xa9";
  parameters.run();
  EXPECT_TRUE(parameters.out.transaction.envid.empty());
  EXPECT_TRUE(parameters.out.transaction.recipients.at(0).orcpt.empty());
}

TEST(Preparation, ChoosesTheBodysForm) {
  Case eight;
  eight.meta.details.is_eight_bit = true;
  eight.peer.eight_bit_mime = true;
  EXPECT_EQ(eight.run().transaction.body, "8BITMIME");
  Case lacking;
  lacking.meta.details.is_eight_bit = true;
  EXPECT_TRUE(lacking.run().needs_seven_bit);
  EXPECT_EQ(lacking.out.transaction.size, 0U);
  Case binary;
  binary.meta.envelope.body = message::BodyType::BinaryMime;
  binary.peer.chunking = binary.peer.binary_mime = true;
  EXPECT_TRUE(binary.run().transaction.uses_bdat);
  EXPECT_EQ(binary.out.transaction.body, "BINARYMIME");
  Case no_binary;
  no_binary.meta.envelope.body = message::BodyType::BinaryMime;
  no_binary.peer.chunking = no_binary.peer.eight_bit_mime = true;
  EXPECT_TRUE(no_binary.run().needs_seven_bit);
  EXPECT_FALSE(no_binary.out.transaction.uses_bdat);
  Case asked;
  asked.prefers_bdat = true;
  EXPECT_FALSE(asked.run().transaction.uses_bdat);
  Case asked_and_offered;
  asked_and_offered.prefers_bdat = asked_and_offered.peer.chunking = true;
  EXPECT_TRUE(asked_and_offered.run().transaction.uses_bdat);
}

TEST(Preparation, BouncesWhatThePeerSaysIsTooBig) {
  Case c;
  c.peer.size_max = 99;
  EXPECT_EQ(c.run().refused.at(0).reply.enhanced, (smtp::EnhancedCode{5, 3, 4}));
}

TEST(Preparation, AsksForARelayedReportWhereThePeerSendsNone) {
  smtp::ClientVerdict verdict;
  verdict.kind = smtp::ClientVerdict::Kind::Accepted;
  message::Recipient asked;
  asked.notify = message::kNotifySuccess;
  smtp::PeerExtensions peer;
  EXPECT_TRUE(result_of(0, verdict, asked, peer).needs_relayed_dsn);
  peer.dsn = true;
  EXPECT_FALSE(result_of(0, verdict, asked, peer).needs_relayed_dsn);
  asked.notify = message::kNotifyFailure;
  peer.dsn = false;
  EXPECT_FALSE(result_of(0, verdict, asked, peer).needs_relayed_dsn);
}

}  // namespace
}  // namespace ekiden::delivery
