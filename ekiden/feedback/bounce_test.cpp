#include "ekiden/feedback/bounce.hpp"

#include <gtest/gtest.h>

#include "ekiden/feedback/bounce_text.hpp"
#include "ekiden/feedback/part_text.hpp"

namespace ekiden::feedback {
namespace {

const shaping::Providers& rules() {
  static const shaping::LoadedProviders kLoaded = shaping::load_providers("");
  return *kLoaded.providers;
}

std::string crlf(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n') out += '\r';
    out += c;
  }
  return out;
}

Bounce parse(std::string_view text) {
  return parse_bounce(crlf(text), rules());
}

constexpr const char* kReport =
    "Return-Path: <>\nFrom: MAILER-DAEMON@mx.dest.test\nTo: bounce-x@b.test\nSubject: Undelivered\n"
    "MIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status; "
    "boundary=\"b\"\n\n--b\n\nSorry.\n\n--b\nContent-Type: message/delivery-status\n\n"
    "Reporting-MTA: dns; mx.dest.test\n\n"
    "Final-Recipient: rfc822; one@dest.test\nOriginal-Recipient: rfc822;One@Dest.test\n"
    "Action: failed\nStatus: 5.1.1\nRemote-MTA: dns; in.dest.test\n"
    "Diagnostic-Code: smtp; 550 5.1.1 <one@dest.test>: User\n unknown\n\n"
    "Final-Recipient: rfc822; two@dest.test\nAction: delayed\nStatus: 4.2.2\n"
    "Diagnostic-Code: smtp; 452 4.2.2 Mailbox full\n\n"
    "Final-Recipient: rfc822; three@dest.test\nAction: delivered\nStatus: 2.0.0\n\n"
    "--b\nContent-Type: message/rfc822\n\nMessage-ID: <1@us.test>\nTo: "
    "one@dest.test\n\nhi\n--b--\n";

TEST(ParseBounce, ReadsEachRecipientOfAReport) {
  const Bounce bounce = parse(kReport);
  EXPECT_EQ(bounce.kind, BounceKind::Failed);
  EXPECT_EQ(bounce.message_id, "<1@us.test>");
  ASSERT_EQ(bounce.recipients.size(), 3u);
  const BouncedRecipient& one = bounce.recipients[0];
  EXPECT_EQ(one.recipient, "one@dest.test");
  EXPECT_EQ(one.original_recipient, "One@Dest.test");
  EXPECT_EQ(one.status, "5.1.1");
  EXPECT_EQ(one.code, 550);
  EXPECT_EQ(one.reply, "550 5.1.1 <one@dest.test>: User unknown");
  EXPECT_EQ(one.remote_host, "in.dest.test");
  EXPECT_EQ(one.why.reason, shaping::Reason::UserUnknown);
  EXPECT_TRUE(one.why.is_hard);
  EXPECT_EQ(bounce.recipients[1].kind, BounceKind::Delayed);
  EXPECT_EQ(bounce.recipients[1].why.reason, shaping::Reason::MailboxFull);
  EXPECT_EQ(bounce.recipients[2].kind, BounceKind::Delivered);
}

TEST(ParseBounce, ReadsWhatIsWrittenForPeople) {
  const Bounce qmail = parse(
      "Return-Path: <>\nFrom: MAILER-DAEMON@mx.test\nTo: a@us.test\nSubject: failure notice\n\n"
      "Hi. This is the qmail-send program at mx.test.\n\n<gone@dest.test>:\n"
      "192.0.2.1 does not like recipient.\nRemote host said: 550 5.1.1 no such user\n"
      "Giving up on 192.0.2.1.\n\n--- Below this line is a copy of the message.\n\n"
      "Message-ID: <2@us.test>\nTo: gone@dest.test\n");
  ASSERT_EQ(qmail.recipients.size(), 1u);
  EXPECT_EQ(qmail.recipients[0].recipient, "gone@dest.test");
  EXPECT_EQ(qmail.recipients[0].reply, "550 5.1.1 no such user");
  EXPECT_EQ(qmail.recipients[0].phase, shaping::Phase::Rcpt);
  EXPECT_EQ(qmail.recipients[0].why.reason, shaping::Reason::UserUnknown);
  EXPECT_EQ(qmail.message_id, "<2@us.test>");
}

TEST(ParseBounce, ReadsJapaneseInIso2022Jp) {
  const Bounce au = parse(
      "Return-Path: <>\nFrom: Postmaster@ezweb.ne.jp\nTo: a@us.test\nSubject: Mail System Error\n"
      "Content-Type: text/plain; charset=\"ISO-2022-JP\"\n\n"
      "\x1b$B08@h%a!<%k%\"%I%l%9$,8+$D$+$i$J$$\x1b(B\n\n    Recipient: <b@ezweb.ne.jp>\n"
      "    >>> RCPT TO:<b@ezweb.ne.jp>\n    <<< 550 <b@ezweb.ne.jp>: User unknown\n");
  ASSERT_EQ(au.recipients.size(), 1u);
  EXPECT_EQ(au.recipients[0].recipient, "b@ezweb.ne.jp");
  EXPECT_EQ(au.recipients[0].code, 550);
  EXPECT_EQ(au.recipients[0].why.reason, shaping::Reason::UserUnknown);
}

TEST(ParseBounce, ToldWhatIsNoBounce) {
  EXPECT_EQ(parse("From: a@b.test\nTo: c@us.test\nSubject: hello\n\nhow are you?\n").kind,
            BounceKind::None);
  EXPECT_EQ(parse("From: a@b.test\nTo: c@us.test\nAuto-Submitted: auto-replied\n"
                  "Subject: Out of office\n\nI am away.\n")
                .kind,
            BounceKind::AutoReply);
  EXPECT_EQ(parse("").kind, BounceKind::None);
  const Bounce complaint = parse(
      "From: fbl@dest.test\nContent-Type: multipart/report; report-type=feedback-report; "
      "boundary=b\nMIME-Version: 1.0\n\n--b\n\nabuse\n\n--b\n"
      "Content-Type: message/feedback-report\n\nFeedback-Type: abuse\nVersion: 1\n"
      "Original-Rcpt-To: <x@dest.test>\n\n--b\nContent-Type: message/rfc822\n\n"
      "Message-ID: <3@us.test>\n\n--b--\n");
  EXPECT_EQ(complaint.kind, BounceKind::Complaint);
  EXPECT_EQ(complaint.feedback_type, "abuse");
  EXPECT_EQ(complaint.recipients.at(0).recipient, "x@dest.test");
}

TEST(ParseBounce, StaysWithinItsLimits) {
  std::string report =
      "Return-Path: <>\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; x\n\n";
  for (std::size_t i = 0; i < kBounceRecipientsMax + 50; ++i)
    report += "Final-Recipient: rfc822; u" + std::to_string(i) + "@d.test\nAction: failed\n\n";
  EXPECT_EQ(parse(report).recipients.size(), kBounceRecipientsMax);
  const std::string long_reply = "Return-Path: <>\nFrom: mailer-daemon@x.test\n\n<a@d.test>: 550 " +
                                 std::string(100'000, 'x') + "\n";
  for (const BouncedRecipient& who : parse(long_reply).recipients)
    EXPECT_LE(who.reply.size(), kBounceReplyMax);
}

TEST(FindReply, TakesTheMostTellingLine) {
  const QuotedReply reply = find_reply(
      "at 10:20 on 29 Apr\nGot 250 ok\n421 try later\n"
      "<<< 550-5.7.1 first\n<<< 550 5.7.1 second\n");
  EXPECT_EQ(reply.code, 550);
  EXPECT_EQ(find_reply("550 5.2.2 full\n").enhanced, "5.2.2");
  EXPECT_EQ(find_reply("no reply at all").code, 0);
  EXPECT_EQ(find_phase(">>> DATA\n<<< 550 Unknown user"), shaping::Phase::Data);
  EXPECT_EQ(find_enhanced_code("address 192.5.1.1 is not it, (#5.4.4)"), "5.4.4");
}

}  // namespace
}  // namespace ekiden::feedback
