#include "ekiden/api/draft.hpp"

#include <gtest/gtest.h>

#include "ekiden/api/blastengine/transaction.hpp"
#include "ekiden/api/composer.hpp"
#include "ekiden/api/draft_reader.hpp"
#include "ekiden/api/japanese.hpp"
#include "ekiden/api/multipart.hpp"
#include "ekiden/api/sender.hpp"
#include "ekiden/message/line_length.hpp"

namespace ekiden::api {
namespace {

const base::Time kNow = base::from_unix_us(1'795'305'600'000'000);

Draft draft() {
  Draft made;
  made.from = {"a@client.test", "A"};
  made.to = {{"b@dest.test", ""}};
  made.subject = "s";
  made.text = "t";
  return made;
}

TEST(Mailboxes, AreReadAsPeopleWriteThem) {
  const auto read = [](std::string_view text) {
    const auto mailbox = parse_mailbox(text);
    return mailbox ? mailbox->name + "|" + mailbox->address : std::string("none");
  };
  EXPECT_EQ(read("a@b.test"), "|a@b.test");
  EXPECT_EQ(read(" Taro Yamada <a@b.test> "), "Taro Yamada|a@b.test");
  EXPECT_EQ(read("\"Yamada, \\\"T\\\"\" <a@b.test>"), "Yamada, \"T\"|a@b.test");
  EXPECT_EQ(read("山田 <a@b.test>"), "山田|a@b.test");
  for (const std::string_view bad : {"", "a", "<a@b.test", "a@b.test, c@d.test", "A <a@b.test> x",
                                     "\"open <a@b.test>", "<a@b.test><c@d.test>", ","})
    EXPECT_EQ(read(bad), "none") << bad;
  EXPECT_EQ(parse_mailbox_list("A <a@b.test>, c@d.test")->size(), 2u);
}

TEST(Content, IsStrictBase64) {
  EXPECT_EQ(decode_content("aGk="), "hi");
  EXPECT_EQ(decode_content("aGk"), "hi");
  EXPECT_EQ(decode_content("aG\r\nk=\r\n"), "hi");
  for (const std::string_view bad : {"!", "a", "aGk==", "aGk=x", "aG k=", "aGk=\n=", "あ"})
    EXPECT_FALSE(decode_content(bad)) << bad;
}

TEST(Iso2022Jp, KnowsVariantsAndNamesTheRest) {
  std::vector<Unmapped> unmapped;
  EXPECT_EQ(fit_iso2022jp("件名～－∥￠￡￢—ｶﾞﾊﾟｱ｡ﾞ", unmapped), "件名〜−‖¢£¬―ガパア。゛");
  EXPECT_TRUE(unmapped.empty());
  EXPECT_EQ(fit_iso2022jp("髙①髙😀", unmapped), "〓〓〓〓");
  ASSERT_EQ(unmapped.size(), 3u);
  EXPECT_EQ(unmapped[0].text, "髙");
  EXPECT_EQ(unmapped[2].character, U'\U0001F600');
  EXPECT_EQ(fit_iso2022jp("", unmapped), "");
}

TEST(Composer, WritesSevenBitsAndShortLinesWhateverComes) {
  Draft made = draft();
  made.text = std::string(5000, 'x') + "\r\nあ\rb\n" + std::string(3, '\0');
  made.html = "<p>" + std::string(3000, 'y');
  made.subject = std::string(600, 'z');
  made.from.name = "山田 \"太郎\", (株)";
  const Composed composed = compose(made);
  const message::Scan scan = message::scan_lines(composed.octets);
  EXPECT_FALSE(scan.has_eight_bit);
  EXPECT_FALSE(scan.has_bare_newline);
  EXPECT_FALSE(scan.has_nul);
  EXPECT_LE(scan.longest_line, 998u);
  EXPECT_NE(composed.octets.find("multipart/alternative"), std::string::npos);
}

TEST(Composer, CarriesWhatIsForAdmissionInFront) {
  Draft made = draft();
  made.stream = "bulk";
  made.tags = {"a", "b"};
  made.metadata = "{\"k\":1}";
  made.send_at = kNow;
  const std::string octets = compose(made).octets;
  EXPECT_TRUE(octets.starts_with(
      "X-Ekiden-Stream: bulk\r\nX-Ekiden-Tag: a\r\nX-Ekiden-Tag: b\r\n"
      "X-Ekiden-Metadata: {\"k\":1}\r\nX-Ekiden-Send-At: 2026-11-22T00:00:00.000000Z\r\n"))
      << octets;
  EXPECT_EQ(octets.find("Bcc"), std::string::npos);
}

TEST(Composer, DecodesHeaders) {
  EXPECT_EQ(decode_header_text("=?UTF-8?B?44GC?= x"), "あ x");
  EXPECT_EQ(decode_header_text("plain"), "plain");
  EXPECT_EQ(decode_header_text("=?bad?x?"), "=?bad?x?");
}

TEST(Drafts, BecomeAnEnvelope) {
  Draft made = draft();
  made.cc = {{"B@dest.test", ""}, {"b@DEST.test", "again"}};
  made.bcc = {{"c@例え.jp", ""}};
  const Prepared prepared = prepare(made, kNow);
  ASSERT_FALSE(prepared.problem);
  ASSERT_EQ(prepared.recipients.size(), 3u);
  EXPECT_EQ(prepared.recipients[1].recipient.text(), "B@dest.test");
  EXPECT_EQ(prepared.recipients[2].recipient.text(), "c@xn--r8jz45g.jp");
  EXPECT_EQ(prepared.pointers[2], "/bcc/0");
  EXPECT_FALSE(prepared.mail.smtputf8);
  made.to = {{"あ@dest.test", ""}};
  EXPECT_TRUE(prepare(made, kNow).mail.smtputf8);
}

TEST(Drafts, AreHeldToTheirLimits) {
  Draft made = draft();
  made.send_at = kNow + std::chrono::hours(24 * 31);
  made.subject = "a\nb";
  made.headers = {{"Subject", "x"}, {"X-A", std::string(5000, 'x')}};
  const Prepared prepared = prepare(made, kNow, "/messages/3");
  ASSERT_TRUE(prepared.problem);
  std::vector<std::string> said;
  for (const FieldProblem& field : prepared.problem->fields)
    said.push_back(field.pointer + " " + field.code);
  EXPECT_EQ(said,
            (std::vector<std::string>{
                "/messages/3/subject control_character", "/messages/3/headers/Subject reserved",
                "/messages/3/headers/X-A too_long", "/messages/3/send_at too_late"}));
}

TEST(RawMessages, GetCanonicalLines) {
  const Prepared prepared = prepare_raw({"", {"b@dest.test"}, "A: b\n\nx\ry\r\nあ"});
  ASSERT_FALSE(prepared.problem);
  EXPECT_EQ(prepared.octets, "A: b\r\n\r\nx\r\ny\r\nあ");
  EXPECT_FALSE(prepared.mail.reverse_path);
  EXPECT_EQ(prepared.mail.body, smtp::BodyKind::EightBitMime);
}

TEST(Forms, AreReadPartByPart) {
  const std::string body =
      "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a \\\"x\\\".txt\"\r\n"
      "Content-Type: text/plain\r\n\r\none\r\n--bx\r\n\r\n--b\r\n"
      "content-disposition: form-data; name=data\r\n\r\n{}\r\n--b--\r\n";
  const auto parts = parse_form("multipart/form-data; boundary=\"b\"", body);
  ASSERT_TRUE(parts);
  ASSERT_EQ(parts->size(), 2u);
  EXPECT_EQ((*parts)[0].name, "file");
  EXPECT_EQ((*parts)[0].filename, "a \"x\".txt");
  EXPECT_EQ((*parts)[0].content_type, "text/plain");
  EXPECT_EQ((*parts)[1].content, "{}");
}

TEST(Forms, AreRefusedWhenTheyAreNone) {
  const std::string type = "multipart/form-data; boundary=b";
  for (const std::string_view body :
       {"", "--b", "--b\r\n", "--b\r\n\r\nx\r\n--b--", "--b\r\nX: y\r\n\r\nx\r\n--b--",
        "--b\r\nContent-Disposition: form-data; name=\"a\r\n\r\n--b--",
        "--b\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n--b", "--b x\r\n--b--"})
    EXPECT_FALSE(parse_form(type, body)) << body;
  EXPECT_FALSE(parse_form("multipart/form-data", "--b--"));
  EXPECT_FALSE(parse_form("text/plain; boundary=b", "--b--"));
  std::string many;
  for (int i = 0; i < 300; ++i)
    many += "--b\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n";
  EXPECT_FALSE(parse_form(type, many + "--b--"));
}

TEST(DeliveryIds, AreNumbersThatJavaScriptCounts) {
  base::SeededRandom random(1);
  base::MessageIdSource ids(1, 0, random);
  const std::int64_t one = blastengine::delivery_id(ids.next(kNow));
  const std::int64_t two = blastengine::delivery_id(ids.next(kNow));
  EXPECT_GT(one, 0);
  EXPECT_LT(one, std::int64_t{1} << 53);
  EXPECT_NE(one, two);
}

}  // namespace
}  // namespace ekiden::api
