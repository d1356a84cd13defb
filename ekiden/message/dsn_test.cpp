#include "ekiden/message/dsn.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "ekiden/base/random.hpp"
#include "ekiden/message/convert.hpp"
#include "ekiden/message/header_scan.hpp"
#include "ekiden/message/line_length.hpp"

namespace ekiden::message {
namespace {

/// Compares with the file beside the test; EKIDEN_UPDATE_GOLDEN=1 writes it.
void expect_golden(std::string text, const std::string& name) {
  std::erase(text, '\r');
  const std::string path = EKIDEN_GOLDEN_DIR + name + ".expected";
  if (std::getenv("EKIDEN_UPDATE_GOLDEN") != nullptr) std::ofstream(path) << text;
  std::ifstream file(path);
  std::stringstream expected;
  expected << file.rdbuf();
  EXPECT_EQ(text, expected.str()) << path;
}

constexpr base::Time kArrival = base::Time(base::Duration(1'795'320'000'000'000));
constexpr base::Time kAttempt = base::Time(base::Duration(1'795'327'811'000'000));

const std::string kOriginal =
    "From: Alice <alice@example.jp>\r\nTo: bob@example.org\r\nSubject: hello\r\n"
    "Message-ID: <1@example.jp>\r\n\r\nThe body.\r\n";

Meta typical_meta() {
  Meta meta;
  meta.envelope.reverse_path = "alice@example.jp";
  meta.envelope.envid = "QQ+2B1";
  meta.details.received = kArrival;
  meta.details.subject = "hello";
  meta.details.message_id = "<1@example.jp>";
  return meta;
}

DsnRequest typical_request(const Meta& meta, DsnKind kind) {
  DsnRequest request;
  request.kind = kind;
  request.host = "relay.example.jp";
  request.id = {0x123456789abcdef0, 7};
  request.original_id = {0x123456789abcdef0, 6};
  request.now = kAttempt;
  request.meta = &meta;
  request.original = kOriginal;
  request.is_original_whole = true;
  DsnRecipient bob;
  bob.address = "bob@example.org";
  bob.orcpt = "rfc822;Bob+2Bx@example.org";
  bob.reply = {550, {5, 1, 1}, {"No such user here"}};
  bob.remote_host = "mx.example.org";
  bob.remote_address = "192.0.2.1";
  bob.last_attempt = kAttempt;
  DsnRecipient carol;
  carol.address = "carol@example.net";
  carol.reply = {450, {4, 4, 1}, {"Connection timed out"}};
  carol.is_local = true;
  carol.last_attempt = kAttempt;
  request.recipients = {bob, carol};
  return request;
}

TEST(Dsn, FailureIsClearToPeopleAndPrograms) {
  const Meta meta = typical_meta();
  const Dsn dsn = compose_dsn(typical_request(meta, DsnKind::Failed));
  EXPECT_FALSE(dsn.needs_smtputf8);
  expect_golden(dsn.octets, "dsn_failed");
}

TEST(Dsn, DelaySaysUntilWhenItIsTried) {
  const Meta meta = typical_meta();
  DsnRequest request = typical_request(meta, DsnKind::Delayed);
  request.recipients.erase(request.recipients.begin());
  request.will_retry_until = kArrival + std::chrono::days(5);
  expect_golden(compose_dsn(request).octets, "dsn_delayed");
}

TEST(Dsn, RelayedSaysThatNoReportFollows) {
  const Meta meta = typical_meta();
  DsnRequest request = typical_request(meta, DsnKind::Relayed);
  request.recipients.pop_back();
  request.recipients[0].reply = {250, {2, 0, 0}, {"Ok"}};
  expect_golden(compose_dsn(request).octets, "dsn_relayed");
}

TEST(Dsn, Utf8AddressesUseTheGlobalTypes) {
  Meta meta = typical_meta();
  meta.envelope.smtputf8 = true;
  meta.envelope.reverse_path = "送信者@例え.jp";
  DsnRequest request = typical_request(meta, DsnKind::Failed);
  const std::string original = "Subject: 件名\r\n\r\nbody\r\n";
  request.original = original;
  request.recipients.resize(1);
  request.recipients[0].address = "宛先@例え.jp";
  request.recipients[0].orcpt = "utf-8;宛先@例え.jp";
  request.recipients[0].reply.lines = {"宛先不明"};
  const Dsn dsn = compose_dsn(request);
  EXPECT_TRUE(dsn.needs_smtputf8);
  expect_golden(dsn.octets, "dsn_utf8");
}

TEST(Dsn, ReturnHeadersAndLargeMessagesComeBackAsHeaders) {
  Meta meta = typical_meta();
  meta.envelope.ret = Return::Headers;
  std::string out = compose_dsn(typical_request(meta, DsnKind::Failed)).octets;
  EXPECT_NE(out.find("text/rfc822-headers"), std::string::npos);
  EXPECT_EQ(out.find("The body."), std::string::npos);

  meta.envelope.ret = Return::Full;
  DsnRequest request = typical_request(meta, DsnKind::Failed);
  std::string large = kOriginal;
  while (large.size() <= kDsnOriginalOctetsMax) large += "The body again and again.\r\n";
  request.original = large;
  out = compose_dsn(request).octets;
  EXPECT_NE(out.find("text/rfc822-headers"), std::string::npos);
  EXPECT_LT(out.size(), 10'000u);

  request.original = std::string_view(kOriginal).substr(0, kOriginal.size() - 11);
  request.is_original_whole = false;
  EXPECT_NE(compose_dsn(request).octets.find("text/rfc822-headers"), std::string::npos);
}

// RFC 8689 §5: whatever RET says.
TEST(Dsn, OfMailWithRequiretlsOnlyTheHeaderComesBack) {
  Meta meta = typical_meta();
  meta.envelope.ret = Return::Full;
  DsnRequest request = typical_request(meta, DsnKind::Failed);
  EXPECT_NE(compose_dsn(request).octets.find("The body."), std::string::npos);
  meta.details.tls_demand = TlsDemand::Required;
  const std::string octets = compose_dsn(request).octets;
  EXPECT_EQ(octets.find("The body."), std::string::npos);
  EXPECT_NE(octets.find("text/rfc822-headers"), std::string::npos);
  EXPECT_NE(octets.find("Subject: hello"), std::string::npos);
}

// RFC 8689 §6.
TEST(Dsn, OfMailWithTlsRequiredNoSaysSoToo) {
  Meta meta = typical_meta();
  DsnRequest request = typical_request(meta, DsnKind::Failed);
  EXPECT_EQ(compose_dsn(request).octets.find("TLS-Required"), std::string::npos);
  meta.details.tls_demand = TlsDemand::Optional;
  EXPECT_NE(compose_dsn(request).octets.find("\r\nTLS-Required: No\r\n"), std::string::npos);
}

TEST(Dsn, HostileRepliesStayInsideTheirField) {
  const Meta meta = typical_meta();
  DsnRequest request = typical_request(meta, DsnKind::Failed);
  request.recipients.resize(1);
  request.recipients[0].reply.lines = {"x\r\n\r\n--ekiden\r\nSubject: y", std::string(3000, 'w'),
                                       std::string("\0\x1b[31m\xff", 7), std::string(300, ' ')};
  request.recipients[0].remote_host = "evil\r\nAction: delivered";
  request.recipients[0].address = "a\r\nStatus: 2.0.0@b";
  request.recipients[0].orcpt = "rfc822;a+0D+0AAction:+20x";
  const std::string out = compose_dsn(request).octets;
  const Scan scan = scan_lines(out);
  EXPECT_FALSE(scan.has_nul);
  EXPECT_FALSE(scan.has_bare_newline);
  EXPECT_EQ(out.find("\r\nAction: delivered"), std::string::npos);
  EXPECT_EQ(out.find("\r\nStatus: 2.0.0"), std::string::npos);
  EXPECT_EQ(out.find("\r\nSubject: y"), std::string::npos);
  EXPECT_EQ(out.find('\x1b'), std::string::npos);
  // The status part is ASCII and has one group for the message and one for the recipient.
  const std::size_t status = out.find("Reporting-MTA");
  const std::string part = out.substr(status, out.find("\r\n--ekiden-", status) - status);
  EXPECT_FALSE(has_eight_bit(part));
  EXPECT_EQ(part.find("\r\n\r\n"), part.rfind("\r\n\r\n"));
}

TEST(Dsn, NoWordOutgrowsALine) {
  Meta meta = typical_meta();
  meta.envelope.reverse_path = std::string(2000, 's') + "@example.org";
  DsnRequest request = typical_request(meta, DsnKind::Failed);
  request.recipients.resize(1);
  for (const std::string& words :
       {std::string(3000, 'w'), std::string(1500, ' ') + "x" + std::string(1500, ' '),
        "a " + std::string(899, 'b') + std::string(99, ' ') + std::string(899, 'c')}) {
    request.recipients[0].address = words + "@example.org";
    request.recipients[0].reply.lines = {words};
    const std::string out = compose_dsn(request).octets;
    EXPECT_FALSE(scan_lines(out).has_long_line()) << words.substr(0, 3);
    EXPECT_EQ(*convert(out, Conversion::ShortLines), out);
    EXPECT_EQ(out.find("\r\n \r\n"), std::string::npos) << "a fold holds a word";
  }
}

TEST(Dsn, BoundaryNeverOccursInWhatComesBack) {
  const Meta meta = typical_meta();
  DsnRequest request = typical_request(meta, DsnKind::Failed);
  const std::string original = "Subject: x\r\n\r\n--ekiden-" + base::format_message_id(request.id) +
                               "--\r\n--ekiden-" + base::format_message_id(request.id) + "=\r\n";
  request.original = original;
  const std::string out = compose_dsn(request).octets;
  EXPECT_NE(out.find("boundary=\"ekiden-" + base::format_message_id(request.id) + "==\""),
            std::string::npos);
}

TEST(Dsn, ConvertsForANextHopWithout8BitMime) {
  const Meta meta = typical_meta();
  const Result<std::string> out =
      convert(compose_dsn(typical_request(meta, DsnKind::Failed)).octets, Conversion::SevenBit);
  ASSERT_TRUE(out);
  EXPECT_FALSE(has_eight_bit(*out));
  EXPECT_NE(out->find("Diagnostic-Code: smtp; 550 5.1.1 No such user here\r\n"), std::string::npos);
}

TEST(Dsn, RandomOriginalsGiveWellFormedReports) {
  base::SeededRandom random(31);
  const Meta meta = typical_meta();
  for (int round = 0; round < 2000; ++round) {
    std::string original;
    for (std::uint64_t n = random.below(300); n > 0; --n) {
      original += random.below(6) == 0
                      ? std::string_view("\r\n")
                      : std::string_view("a: \r\n\0\xe3\xff-", 9).substr(random.below(9), 1);
    }
    DsnRequest request = typical_request(meta, DsnKind::Failed);
    request.original = original;
    const std::string out = compose_dsn(request).octets;
    const Scan scan = scan_lines(out);
    EXPECT_FALSE(scan.has_nul || scan.has_bare_newline || scan.has_long_line());
    EXPECT_TRUE(out.ends_with("--\r\n"));
  }
}

TEST(Notify, NothingIsReportedToTheNullReversePath) {
  for (const std::uint8_t notify : {kNotifyDefault, kNotifySuccess, kNotifyFailure, kNotifyDelay}) {
    for (const DsnKind kind : {DsnKind::Failed, DsnKind::Delayed, DsnKind::Relayed}) {
      EXPECT_FALSE(may_notify({"a@b", "", notify}, kind, ""));
    }
  }
}

TEST(Notify, FollowsWhatTheSenderAsked) {
  const auto may = [](std::uint8_t notify, DsnKind kind) {
    return may_notify({"a@b", "", notify}, kind, "s@t");
  };
  EXPECT_TRUE(may(kNotifyDefault, DsnKind::Failed));
  EXPECT_TRUE(may(kNotifyDefault, DsnKind::Delayed));
  EXPECT_FALSE(may(kNotifyDefault, DsnKind::Relayed));
  EXPECT_FALSE(asks_for_notice({"a@b", "", kNotifyDefault}, DsnKind::Delayed, "s@t"));
  EXPECT_TRUE(asks_for_notice({"a@b", "", kNotifyDelay}, DsnKind::Delayed, "s@t"));
  for (const DsnKind kind : {DsnKind::Failed, DsnKind::Delayed, DsnKind::Relayed}) {
    EXPECT_FALSE(may(kNotifyNever, kind));
  }
  EXPECT_FALSE(may(kNotifySuccess, DsnKind::Failed));
  EXPECT_TRUE(may(kNotifySuccess, DsnKind::Delivered));
  EXPECT_TRUE(may(kNotifyFailure | kNotifyDelay, DsnKind::Delayed));
  EXPECT_FALSE(may(kNotifyFailure, DsnKind::Delayed));
}

}  // namespace
}  // namespace ekiden::message
