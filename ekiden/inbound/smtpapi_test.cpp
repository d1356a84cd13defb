// X-SMTPAPI as it is read, and the messages that its substitutions make.
#include "ekiden/inbound/smtpapi.hpp"

#include <gtest/gtest.h>

#include "ekiden/account/scheduled_send.hpp"
#include "ekiden/inbound/text_mould.hpp"

namespace ekiden::inbound {
namespace {

std::optional<SmtpApi> parsed(std::string_view value) {
  std::string problem;
  auto api = parse_smtpapi(value, problem);
  EXPECT_EQ(problem.empty(), api.has_value()) << problem;
  return api;
}

TEST(SmtpApiValue, HasWhatMakesEachMessageAnother) {
  const auto api = parsed(
      R"({"to": ["Ben <ben@x.test>", "joe@x.test"], "sub": {"-name-": ["Ben", 7]},
          "section": {":s": "Dear -name-"}, "send_each_at": [1800000000, 1800000001]})");
  ASSERT_TRUE(api);
  EXPECT_TRUE(api->is_personal());
  EXPECT_EQ(api->to_names, (std::vector<std::string>{"Ben <ben@x.test>", "joe@x.test"}));
  ASSERT_EQ(api->substitutions.size(), 1u);
  EXPECT_EQ(api->substitutions[0].values, (std::vector<std::string>{"Ben", "7"}));
  EXPECT_EQ(api->sections.front().second, "Dear -name-");
  EXPECT_EQ(api->send_each_at.size(), 2u);
  EXPECT_FALSE(parsed(R"({"sub": {}, "section": null, "category": "a"})")->is_personal());
}

TEST(SmtpApiValue, HasABatchAndWhatItPassesOver) {
  base::SeededRandom random(1);
  const std::string batch =
      account::make_send_batch(base::from_unix_us(1'800'000'000'000'000), random);
  const auto api = parsed(R"({"batch_id": ")" + batch +
                          R"(", "filters": {"bypass_bounce_management":
          {"settings": {"enable": 1}}, "bypass_spam_management": {"settings": {"enable": 0}}}})");
  ASSERT_TRUE(api);
  EXPECT_EQ(api->batch, batch);
  EXPECT_TRUE(api->bypass.passes(account::SuppressionReason::Bounce, false));
  EXPECT_FALSE(api->bypass.passes(account::SuppressionReason::Complaint, false));
  const auto all =
      parsed(R"({"filters": {"bypass_list_management": {"settings": {"enable": 1}}}})");
  EXPECT_EQ(all->bypass.reasons, account::SuppressionBypass::kAll);
}

TEST(SmtpApiValue, NonsenseIsNamed) {
  for (const char* value :
       {R"({"sub": []})", R"({"sub": {"-n-": "A"}})", R"({"sub": {"-n-": [null]}})",
        R"({"sub": {"": ["A"]}})", R"({"section": {":s": 1}})", R"({"section": []})",
        R"({"send_each_at": 1})", R"({"send_each_at": ["soon"]})", R"({"send_each_at": []})",
        R"({"send_at": 1800000000, "send_each_at": [1800000000]})", R"({"batch_id": "b"})",
        R"({"filters": {"bypass_list_management": {"settings": {"enable": 1}},
            "bypass_spam_management": {"settings": {"enable": true}}}})"})
    EXPECT_FALSE(parsed(value)) << value;
  std::string many = R"({"sub": {)";
  for (std::size_t i = 0; i <= kSmtpApiTagsMax; ++i)
    many += (i == 0 ? "\"" : ",\"") + std::to_string(i) + "\": [\"A\"]";
  EXPECT_FALSE(parsed(many + "}}"));
}

const std::vector<std::string> kTags{"-name-", ":s"};

std::string cast(const std::string& octets, const Casting& casting, std::string_view to = {}) {
  std::string problem;
  const auto mould = TextMould::read(octets, kTags, problem);
  EXPECT_TRUE(mould) << problem;
  if (!mould) return {};
  auto out = mould->cast(casting, to, 1 << 20, problem);
  EXPECT_TRUE(out) << problem;
  return out.value_or("");
}

TEST(TextMould, ReplacesInSubjectAndTextAndKeepsTheRest) {
  const std::string out = cast(
      "X-SMTPAPI: {}\r\nFrom: a@x.test\r\nTo: dummy@x.test\r\nSubject: Hello -name-\r\n"
      "X-Name: -name-\r\n\r\nDear -name-,\r\nbye\r\n",
      {{"-name-", "Ben"}}, "ben@x.test");
  EXPECT_EQ(out,
            "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
            "Content-Transfer-Encoding: quoted-printable\r\n"
            "From: a@x.test\r\nTo: ben@x.test\r\nSubject: Hello Ben\r\nX-Name: -name-\r\n\r\n"
            "Dear Ben,\r\nbye\r\n");
}

TEST(TextMould, FindsWordsInEncodedPartsAndLeavesAttachmentsAlone) {
  const std::string out = cast(
      "MIME-Version: 1.0\r\nSubject: =?utf-8?B?LW5hbWUt5qeY?=\r\n"
      "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
      "Content-Type: text/plain; charset=utf-8; format=flowed\r\n"
      "Content-Transfer-Encoding: base64\r\n\r\nLW5hbWUt5qeYDQo=\r\n--b\r\n"
      "Content-Type: text/html\r\n\r\n<p>plain</p>\r\n--b\r\n"
      "Content-Type: text/plain\r\nContent-Disposition: attachment\r\n\r\n-name-\r\n--b--\r\n",
      {{"-name-", "太郎"}});
  // 太郎様 in the subject, and as the text.
  EXPECT_NE(out.find("5aSq6YOO5qeY"), std::string::npos) << out;
  EXPECT_NE(out.find("Content-Type: text/plain; format=flowed; charset=utf-8\r\n"
                     "Content-Transfer-Encoding: base64\r\n\r\n"),
            std::string::npos)
      << out;
  EXPECT_NE(out.find("<p>plain</p>"), std::string::npos);
  EXPECT_NE(out.find("attachment\r\n\r\n-name-\r\n"), std::string::npos);
  EXPECT_EQ(out.find("LW5hbWUt"), std::string::npos);
}

TEST(TextMould, AnAddressIsNeverEncoded) {
  const std::string out =
      cast("To: a@x.test\r\n\r\n-name-\r\n", {{"-name-", "A"}}, "\"花子\" <hanako@x.test>");
  EXPECT_NE(out.find("To: =?utf-8?B?6Iqx5a2Q?=\r\n <hanako@x.test>\r\n"), std::string::npos) << out;
}

TEST(TextMould, JapaneseMailBecomesUtf8) {
  const std::string out =
      cast("Content-Type: text/plain; charset=iso-2022-jp\r\n\r\n\x1b$B$3$s$K$A$O\x1b(B -name-\r\n",
           {{"-name-", "太郎"}});
  EXPECT_NE(out.find("charset=utf-8"), std::string::npos);
  EXPECT_EQ(out.find("\x1b$B"), std::string::npos);
}

TEST(TextMould, RefusesWhatWouldBeAnotherMessage) {
  std::string problem;
  const auto mould = TextMould::read("Subject: -name-\r\n\r\n-name-\r\n", kTags, problem);
  ASSERT_TRUE(mould);
  EXPECT_FALSE(mould->cast({{"-name-", "a\r\nBcc: b@x.test"}}, {}, 1 << 20, problem));
  EXPECT_NE(problem.find("control character"), std::string::npos);
  EXPECT_FALSE(mould->cast({{"-name-", std::string(2000, 'x')}}, {}, 1000, problem));
  EXPECT_FALSE(TextMould::read("\r\n\r\n\xff-name-\r\n", kTags, problem));
  EXPECT_NE(problem.find("UTF-8"), std::string::npos);
  EXPECT_FALSE(TextMould::read(std::string(TextMould::kOctetsMax + 1, 'x'), kTags, problem));
}

}  // namespace
}  // namespace ekiden::inbound
