#include "ekiden/auth/authentication_results.hpp"

#include <gtest/gtest.h>

namespace ekiden::auth {
namespace {

// RFC 8601 §2.2.
TEST(AuthenticationResults, AreWrittenAsTheRfcShows) {
  EXPECT_EQ(format_authentication_results("mx.example.org", {}),
            "Authentication-Results: mx.example.org; none\r\n");
  const std::vector<MethodResult> results = {
      {"spf", Verdict::Pass, "", {{"smtp", "mailfrom", "a@example.net"}}},
      {"dkim", Verdict::Fail, "body hash did not verify", {{"header", "d", "example.net"}}}};
  EXPECT_EQ(format_results(results),
            "spf=pass smtp.mailfrom=a@example.net; dkim=fail reason=\"body hash did not verify\" "
            "header.d=example.net");
  EXPECT_EQ(format_authentication_results("mx.example.org", results),
            "Authentication-Results: mx.example.org; spf=pass smtp.mailfrom=a@example.net;\r\n "
            "dkim=fail reason=\"body hash did not verify\" header.d=example.net\r\n");
}

TEST(AuthenticationResults, LetNoValueBreakOut) {
  const auto value = [](std::string text) {
    return format_results({{"spf", Verdict::Fail, "", {{"smtp", "helo", std::move(text)}}}});
  };
  EXPECT_EQ(value("a; dkim=pass"), "spf=fail smtp.helo=\"a; dkim=pass\"");
  EXPECT_EQ(value("a (comment)"), "spf=fail smtp.helo=\"a (comment)\"");
  EXPECT_EQ(value("a\" dkim=pass \\"), "spf=fail smtp.helo=\"a\\\" dkim=pass \\\\\"");
  EXPECT_EQ(value("a\r\nFrom: x"), "spf=fail smtp.helo=\"a??From: x\"");
  EXPECT_EQ(value(std::string("a\0b", 3)), "spf=fail smtp.helo=\"a?b\"");
  EXPECT_EQ(value(""), "spf=fail smtp.helo=\"\"");
  EXPECT_EQ(value("@example.org"), "spf=fail smtp.helo=@example.org");
  EXPECT_EQ(value("a@b@c"), "spf=fail smtp.helo=\"a@b@c\"");
  EXPECT_EQ(format_results({{"dkim", Verdict::Fail, "say \"x\";\r\n", {}}}),
            "dkim=fail reason=\"say \\\"x\\\";??\"");
  EXPECT_EQ(format_results({{"a=b;c", Verdict::Fail, "", {}}}), "a-b-c=fail");
  EXPECT_LT(value(std::string(100'000, 'a')).size(), 1000u);
  EXPECT_LT(format_results(std::vector<MethodResult>(1000, {"dkim", Verdict::Fail, "", {}})).size(),
            1000u);
}

TEST(AuthservId, IsFoundBehindCommentsAndQuotes) {
  EXPECT_EQ(parse_authserv_id(" mx.example.org; none"), "mx.example.org");
  EXPECT_EQ(parse_authserv_id(" (a (b) \\) c) MX.Example.org 1 (d); none"), "mx.example.org");
  EXPECT_EQ(parse_authserv_id(" \"mx.example\\.org\"; none"), "mx.example.org");
  EXPECT_EQ(parse_authserv_id("\r\n mx.example.org"), "mx.example.org");
  EXPECT_EQ(parse_authserv_id(" (open mx.example.org; none"), std::nullopt);
  EXPECT_EQ(parse_authserv_id(" \"open; none"), std::nullopt);
  EXPECT_EQ(parse_authserv_id(" ; none"), std::nullopt);
  EXPECT_EQ(parse_authserv_id(" a b; none"), std::nullopt);
  EXPECT_EQ(parse_authserv_id(std::string(100'000, '(')), std::nullopt);
}

// RFC 8601 §5.
TEST(AuthenticationResults, ThatClaimToBeOursAreRemoved) {
  const std::string header =
      "Received: a\r\n"
      "Authentication-Results: other.example; dkim=pass\r\n"
      "authentication-results : (x) MX.example.org\r\n ; dkim=pass\r\n"
      "AUTHENTICATION-RESULTS: \"mx.example.org\" 1; dkim=pass\r\n"
      "Authentication-Results: (open mx.example.org; dkim=pass\r\n"
      "Authentication-Results: mx.example.org.evil.example; dkim=pass\r\n"
      "From: a@example.net\r\n\r\n";
  EXPECT_EQ(remove_forged_results(header, "mx.example.ORG"),
            "Received: a\r\n"
            "Authentication-Results: other.example; dkim=pass\r\n"
            "Authentication-Results: mx.example.org.evil.example; dkim=pass\r\n"
            "From: a@example.net\r\n\r\n");
  EXPECT_EQ(remove_forged_results("no header", "mx.example.org"), "no header");
}

TEST(AuthenticationResults, OfOursAreCollectedAsOneList) {
  const std::string header =
      "Authentication-Results: mx.example.org;\r\n spf=pass smtp.mfrom=a@b.example;\r\n\tdkim=pass "
      "(1024-bit key)\r\n"
      "Authentication-Results: other.example; dmarc=pass\r\n"
      "Authentication-Results: mx.example.org; none\r\n"
      "Authentication-Results: mx.example.org; dmarc=pass;\r\n";
  EXPECT_EQ(collect_results(header, "mx.example.org"),
            "spf=pass smtp.mfrom=a@b.example; dkim=pass (1024-bit key); dmarc=pass");
  EXPECT_EQ(collect_results(header, "mx.example.net"), "none");
}

TEST(AuthenticationResults, TellOneMethodsVerdict) {
  EXPECT_EQ(find_result("spf=pass smtp.mfrom=a@b.example; arc=fail (x)", "arc"), Verdict::Fail);
  EXPECT_EQ(find_result(" ARC (c) = (d) pass", "arc"), Verdict::Pass);
  EXPECT_EQ(find_result("arc=pass; arc=fail", "arc"), Verdict::Pass);
  EXPECT_EQ(find_result("spf=fail smtp.helo=\"x; arc=pass\"; dkim=none", "arc"), std::nullopt);
  EXPECT_EQ(find_result("spf=fail (; arc=pass ); dkim=none", "arc"), std::nullopt);
  EXPECT_EQ(find_result("spf=fail smtp.helo=\"open; arc=pass", "arc"), std::nullopt);
  EXPECT_EQ(find_result("xarc=pass", "arc"), std::nullopt);
  EXPECT_EQ(find_result("none", "arc"), std::nullopt);
  EXPECT_EQ(find_result("arc=maybe", "arc"), std::nullopt);
}

}  // namespace
}  // namespace ekiden::auth
