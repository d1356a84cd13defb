// Recipients out of files as people save them; see base/csv_test.cpp for the CSV itself.
#include "ekiden/api/jobs/list_reader.hpp"

#include <gtest/gtest.h>

#include "ekiden/api/jobs/content.hpp"
#include "ekiden/api/jobs/job_desk.hpp"

namespace ekiden::api::jobs {
namespace {

TEST(ListReader, TakesColumnsAsData) {
  ListReader reader(
      "\xef\xbb\xbf"
      "Name,EMAIL,__code1__,\r\n\"山田, 太郎\",T@Dest.TEST,7,x\r\n",
      ListFormat::Csv);
  ASSERT_EQ(reader.problem(), "");
  const auto some = reader.next(10);
  EXPECT_TRUE(some.is_end);
  ASSERT_EQ(some.rows.size(), 1u);
  EXPECT_EQ(some.lines, std::vector<std::uint64_t>{2});
  EXPECT_EQ(
      some.rows[0].data,
      R"({"to":"T@Dest.TEST","name":"山田, 太郎","data":{"Name":"山田, 太郎","__code1__":"7"}})");
}

TEST(ListReader, ReadsAShortListAfterItWasMoved) {
  ListReader reader("email\na@b.c", ListFormat::Csv);
  ListReader moved = std::move(reader);
  reader = ListReader("overwritten", ListFormat::JsonLines);
  const ListReader::Some some = moved.next(10);
  ASSERT_EQ(some.rows.size(), 1U);
  EXPECT_EQ(some.rows[0].address, "a@b.c");
}

TEST(ListReader, SaysWhichLineIsWrongAndGoesOn) {
  ListReader reader("email,a\nx\ny@d.test,1,2\n\"z@d.test\nw@d.test,ok\n", ListFormat::Csv);
  const auto some = reader.next(10);
  ASSERT_EQ(some.errors.size(), 3u);
  EXPECT_EQ(some.errors[0].code, "bad_address");
  EXPECT_EQ(some.errors[0].line, 2u);
  EXPECT_EQ(some.errors[1].line, 3u);
  EXPECT_EQ(some.errors[2].line, 4u);
  ASSERT_EQ(some.rows.size(), 1u);
  for (const char* wrong : {"", "a,b\n1,2\n", "email,email\n", "\x80\xff\n"})
    EXPECT_NE(ListReader(wrong, ListFormat::Csv).problem(), "") << wrong;
}

TEST(ListReader, ReadsAMillionLinesInSteps) {
  std::string text = "email\n";
  for (int i = 0; i < 20'000; ++i) text += "r" + std::to_string(i) + "@d.test\n";
  ListReader reader(std::move(text), ListFormat::Csv);
  std::size_t rows = 0, steps = 0;
  for (bool is_end = false; !is_end; ++steps) {
    const auto some = reader.next(5000);
    rows += some.rows.size();
    is_end = some.is_end;
  }
  EXPECT_EQ(rows, 20'000u);
  EXPECT_EQ(steps, 5u);
}

TEST(Batch, IsToldFromManyMessages) {
  EXPECT_TRUE(is_merge_batch(R"({"content": {}, "recipients": []})"));
  EXPECT_TRUE(is_merge_batch(R"({"name": "messages", "recipients": []})"));
  EXPECT_FALSE(is_merge_batch(R"({"messages": [{"recipients": 1}]})"));
  EXPECT_FALSE(is_merge_batch(R"(["recipients"])"));
  EXPECT_FALSE(is_merge_batch("{\"recipients"));
}

TEST(Content, ComposesARowOrSaysWhyNot) {
  bulk::Head head;
  head.tenant = "acme";
  head.content =
      R"({"from": "a@client.test", "subject": "{{name}}", "text": "x", "missing": "error"})";
  const bulk::ComposeRow compose = make_composer(head);
  ASSERT_TRUE(compose);
  const bulk::ComposedRow fine =
      compose(R"({"to": "b@d.test", "data": {"name": "B"}})", base::Time{});
  EXPECT_EQ(fine.refusal, "");
  EXPECT_EQ(fine.recipients.size(), 1u);
  EXPECT_NE(fine.octets.find("Subject: B\r\n"), std::string::npos);
  EXPECT_EQ(compose(R"({"to": "b@d.test"})", base::Time{}).refusal,
            "subject, line 1, column 3: the data has no \"name\"");
  EXPECT_NE(compose(R"({"to": "b@d.test", "data": {"name": "a\nBcc: x@d.test"}})", base::Time{})
                .refusal.find("subject"),
            std::string::npos);
  head.content = R"({"from": 1})";
  EXPECT_FALSE(make_composer(head));
}

}  // namespace
}  // namespace ekiden::api::jobs
