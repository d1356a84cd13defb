// Goal: what rules make of a message as it leaves, from memory and from a file.
// Method: servers in memory that follow a script, a clock moved by hand.
#include <gtest/gtest.h>

#include "tests/support/delivery_rig.hpp"

namespace ekiden::delivery {
namespace {

void set_rules(Rig& rig) {
  rewrite::RuleOptions rule;
  rule.name = "leaving";
  rule.return_path = rewrite::ReturnPath::Verp;
  rule.bounce_domain = "bounces.example";
  rule.add_headers = {{"X-To", "{recipient}"}};
  const account::HashKey key(std::string(account::kHashOctets, 'k'));
  std::string why;
  rig.context.options.rewriting =
      rewrite::RuleSet::make({std::move(rule)}, &key, "relay.example", std::chrono::hours(24), why);
  ASSERT_NE(rig.context.options.rewriting, nullptr) << why;
}

TEST(ConnectionRewriting, AMessageLeavesAsRulesHaveItAndStaysAsItWas) {
  Rig rig;
  rig.host();
  set_rules(rig);
  const auto meta = Rig::meta({"b@x.example"});
  const Job job = rig.job(meta, "Subject: x\r\n\r\n.hello\r\n");
  rig.feed.jobs.push_back(job);
  rig.run();
  EXPECT_EQ(rig.feed.result(0).outcome, Outcome::Delivered);
  ASSERT_EQ(rig.server().mails.size(), 1U);
  EXPECT_EQ(rig.server().mails[0].octets, "Subject: x\r\nX-To: b@x.example\r\n\r\n..hello\r\n");
  EXPECT_TRUE(rig.server().mails[0].from.starts_with("MAIL FROM:<bounce-"));
  EXPECT_TRUE(rig.server().mails[0].from.ends_with("@bounces.example> SIZE=41"))
      << rig.server().mails[0].from;
  EXPECT_EQ(meta->envelope.reverse_path, "a@example.org");
  EXPECT_EQ(job.body.octets.view(), "Subject: x\r\n\r\n.hello\r\n");
}

TEST(ConnectionRewriting, OneRecipientGoesAndTheOthersWaitForTransactionsOfTheirOwn) {
  Rig rig;
  rig.host();
  set_rules(rig);
  rig.feed.jobs.push_back(
      rig.job(Rig::meta({"b@x.example", "c@x.example", "d@x.example"}), "X: y\r\n\r\n"));
  rig.run();
  ASSERT_EQ(rig.feed.results.size(), 1U);
  ASSERT_EQ(rig.feed.results[0].recipients.size(), 3U);
  unsigned delivered = 0;
  for (const RecipientResult& result : rig.feed.results[0].recipients) {
    delivered += result.outcome == Outcome::Delivered ? 1 : 0;
    EXPECT_EQ(result.outcome, result.recipient == 0 ? Outcome::Delivered : Outcome::NotTried);
  }
  EXPECT_EQ(delivered, 1U);
}

TEST(ConnectionRewriting, ABodyInAFileKeepsEveryOctetAlsoWhenItRidesBehindAnother) {
  Rig rig;
  rig.host().room = 100'000;
  set_rules(rig);
  std::string body = "Subject: big\r\n\r\n";
  std::string expected = "Subject: big\r\nX-To: b@x.example\r\n\r\n";
  while (body.size() < 1'500'000) {
    const std::string line = ".line " + std::to_string(body.size()) + "\r\n";
    body += line;
    expected += "." + line;
  }
  rig.spool.files["large/1"] = body;
  for (int i = 0; i < 3; ++i) {
    Job job = rig.job(Rig::meta({"b@x.example"}), i == 1 ? "X: small\r\n\r\n" : "");
    if (i != 1) {
      job.body.file = "large/1";
      job.body.size = body.size();
    }
    rig.feed.jobs.push_back(std::move(job));
  }
  rig.run();
  ASSERT_EQ(rig.server().mails.size(), 3U);
  for (const std::size_t i : {0U, 2U}) {
    EXPECT_EQ(rig.feed.result(i).outcome, Outcome::Delivered);
    EXPECT_TRUE(rig.server().mails[i].octets == expected);
  }
  EXPECT_EQ(rig.server().mails[1].octets, "X: small\r\nX-To: b@x.example\r\n\r\n");
}

TEST(ConnectionRewriting, AFileThatCannotBeReadDefersAsEver) {
  Rig rig;
  rig.host();
  set_rules(rig);
  Job job = rig.job(Rig::meta({"b@x.example"}), "");
  job.body.file = "large/none";
  job.body.size = 1000;
  rig.feed.jobs.push_back(std::move(job));
  rig.run();
  EXPECT_EQ(rig.feed.result(0).outcome, Outcome::Deferred);
  EXPECT_TRUE(rig.server().mails.empty());
}

}  // namespace
}  // namespace ekiden::delivery
