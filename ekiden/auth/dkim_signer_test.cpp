#include "ekiden/auth/dkim_signer.hpp"

#include <gtest/gtest.h>

#include "ekiden/auth/error.hpp"
#include "ekiden/auth/tag_list.hpp"
#include "ekiden/auth/test_mail.hpp"
#include "ekiden/base/text.hpp"

namespace ekiden::auth {
namespace {

using namespace test_mail;

/// A tag of the only signature field in `fields`.
std::string tag_of(std::string_view fields, std::string_view name) {
  message::HeaderScanner scanner(fields);
  message::Field field;
  EXPECT_TRUE(*scanner.next(field));
  std::string_view why;
  const auto tags = TagList::parse(field.value, why);
  EXPECT_TRUE(tags) << why;
  std::string out;
  for (const char c : tags->value(name)) {
    if (c != ' ' && c != '\r' && c != '\n' && c != '\t') out += c;
  }
  return out;
}

TEST(DkimSigner, MakesWhatTheVerifierAccepts) {
  for (const auto header : {Canonicalization::Simple, Canonicalization::Relaxed}) {
    for (const auto body : {Canonicalization::Simple, Canonicalization::Relaxed}) {
      DkimSignerOptions options;
      options.header = header;
      options.body = body;
      options.signed_at = kNow;
      const std::string fields = *sign(message(), {rsa_identity(), ed25519_identity()}, options);
      const auto results = verify(fields + message(), zone());
      ASSERT_EQ(results.size(), 2u);
      EXPECT_EQ(results[0].verdict, Verdict::Pass) << results[0].reason << fields;
      EXPECT_EQ(results[0].selector, "r1");
      EXPECT_EQ(results[1].verdict, Verdict::Pass) << results[1].reason << fields;
      EXPECT_EQ(results[1].algorithm, "ed25519-sha256");
    }
  }
}

TEST(DkimSigner, ListsWhatIsThereAndFromOnceMore) {
  const std::string fields = *sign(message(), {rsa_identity()});
  EXPECT_EQ(tag_of(fields, "h"), "From:From:To:Subject:Date:Message-ID:List-Unsubscribe");
  EXPECT_EQ(tag_of(fields, "c"), "relaxed/relaxed");
  EXPECT_EQ(tag_of(fields, "t"), "");
  EXPECT_EQ(tag_of(fields, "x"), "");
  DkimSignerOptions options;
  options.oversigned = {"from", "Reply-To"};
  EXPECT_EQ(tag_of(*sign(message(), {rsa_identity()}, options), "h"),
            "From:From:Reply-To:To:Subject:Date:Message-ID:List-Unsubscribe")
      << "oversigning what is absent is a choice";
  options.exact_names = {"from", "subject", "x-none"};
  EXPECT_EQ(tag_of(*sign(message(), {rsa_identity()}, options), "h"), "from:subject:x-none");
}

TEST(DkimSigner, SignsEveryFieldOfAName) {
  const std::string octets = "Cc: a@example.net\r\nCC: b@example.net\r\n" + message();
  const std::string fields = *sign(octets, {rsa_identity()});
  EXPECT_NE(tag_of(fields, "h").find(":Cc:Cc:"), std::string::npos);
  EXPECT_EQ(verify(fields + octets, zone()).at(0).verdict, Verdict::Pass);
  EXPECT_EQ(verify(fields + "From: x@example.org\r\n" + octets, zone()).at(0).verdict,
            Verdict::Policy);
}

TEST(DkimSigner, FoldsItsField) {
  DkimIdentity identity = rsa_identity();
  identity.domain = "a-rather-long-label-of-a-domain." + std::string(60, 'x') + ".example.org";
  identity.selector = "selector-2026-11-22";
  DkimSignerOptions options;
  options.signed_at = kNow;
  options.lifetime = std::chrono::hours(24 * 7);
  std::string fields = *sign(message(), {identity, ed25519_identity()}, options);
  EXPECT_EQ(tag_of(fields, "x"), std::to_string(1'795'305'600 + 7 * 86400));
  while (!fields.empty()) {
    const std::size_t end = fields.find("\r\n");
    ASSERT_NE(end, std::string::npos);
    // A piece is never cut, so a long domain may stand alone.
    EXPECT_TRUE(end <= 78 || fields.substr(0, end).find("d=a-rather") != std::string::npos)
        << fields.substr(0, end);
    fields.erase(0, end + 2);
  }
}

TEST(DkimSigner, DoesNotCareHowTheBodyIsSplit) {
  const auto [header, body] = split(message());
  for (const std::size_t piece : {1u, 2u, 3u, 10u}) {
    DkimSigner signer{DkimSignerOptions{}};
    ASSERT_TRUE(signer.begin(header));
    for (std::size_t at = 0; at < body.size(); at += piece) {
      signer.update_body(body.substr(at, piece));
    }
    const std::vector<DkimIdentity> who = {rsa_identity()};
    EXPECT_EQ(*signer.finish(who), *sign(message(), who));
  }
}

TEST(DkimSigner, RefusesWhatCannotBeSigned) {
  EXPECT_EQ(sign("Subject: x\r\n\r\n", {rsa_identity()}).error(), Errc::BadRecord);
  DkimSignerOptions options;
  options.exact_names = {"subject"};
  EXPECT_EQ(sign(message(), {rsa_identity()}, options).error(), Errc::BadRecord);
  DkimIdentity identity = rsa_identity();
  identity.domain = "exa mple.org";
  EXPECT_EQ(sign(message(), {identity}).error(), Errc::BadKey);
  EXPECT_EQ(sign(message(), {DkimIdentity{"example.org", "s", {}, ""}}).error(), Errc::BadKey);
}

}  // namespace
}  // namespace ekiden::auth
