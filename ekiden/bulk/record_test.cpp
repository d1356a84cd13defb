// What a job is on the disk, and in ids.
#include "ekiden/bulk/record.hpp"

#include <gtest/gtest.h>

#include "ekiden/bulk/job_id.hpp"

namespace ekiden::bulk {
namespace {

TEST(JobId, TellsJobAndRowFromOtherMessages) {
  const base::MessageId fresh{0x1234'5678'9abc'0007, 0x02'0000'0000'abcdef};
  EXPECT_FALSE(is_of_job(fresh));
  const base::MessageId job = make_job_id(fresh);
  EXPECT_TRUE(is_of_job(job));
  EXPECT_EQ(row_of(job), 0u);
  const base::MessageId row = row_id(job, kRowsMax);
  EXPECT_EQ(row_of(row), kRowsMax);
  EXPECT_EQ(job_of(row), job);
  EXPECT_EQ(job.high, fresh.high);
  EXPECT_NE(make_job_id({fresh.high, fresh.low + 1}), job);
}

TEST(Record, GivesBackWhatWasWritten) {
  Head head;
  head.name = "十一月";
  head.tenant = "acme";
  head.stream = "bulk";
  head.identity = "apikey:7";
  head.sender_domains = {"client.test"};
  head.client_address = "192.0.2.1";
  head.content = R"({"from": "a@client.test"})";
  head.rows = 200;
  head.send_at = base::from_unix_us(1'800'000'000'000'000);
  head.job = 17;
  FrameWriter writer;
  for (int i = 1; i <= 200; ++i) writer.add("{\"to\":\"r" + std::to_string(i) + "@x.test\"}");
  EXPECT_EQ(writer.rows(), 200u);
  const std::string octets = encode_head(head) + writer.end();

  Frame frame;
  std::size_t needed = 0;
  ASSERT_EQ(read_frame(octets, frame, needed), FrameError::None);
  const auto read = decode_head(frame);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->name, head.name);
  EXPECT_EQ(read->sender_domains, head.sender_domains);
  EXPECT_EQ(read->content, head.content);
  EXPECT_EQ(read->rows, 200u);
  EXPECT_EQ(read->send_at, head.send_at);
  EXPECT_EQ(read->job, 17);
  std::uint32_t row = 1;
  for (std::size_t at = frame.size; at < octets.size(); at += frame.size) {
    ASSERT_EQ(read_frame(std::string_view(octets).substr(at), frame, needed), FrameError::None);
    EXPECT_EQ(frame.first_row, row);
    const auto rows = rows_of(frame);
    EXPECT_LE(rows.size(), kFrameRowsMax);
    EXPECT_EQ(rows.front(), "{\"to\":\"r" + std::to_string(row) + "@x.test\"}");
    row += static_cast<std::uint32_t>(rows.size());
  }
  EXPECT_EQ(row, 201u);
}

TEST(Record, SeesEveryDamagedOctetAndEveryCut) {
  FrameWriter writer;
  writer.add("{\"to\":\"a@x.test\"}");
  const std::string octets = writer.end();
  Frame frame;
  std::size_t needed = 0;
  for (std::size_t i = 0; i < octets.size(); ++i) {
    EXPECT_EQ(read_frame(std::string_view(octets).substr(0, i), frame, needed),
              FrameError::Partial);
    EXPECT_LE(needed, octets.size());
    std::string damaged = octets;
    damaged[i] = static_cast<char>(damaged[i] ^ 1);
    EXPECT_NE(read_frame(damaged, frame, needed), FrameError::None) << i;
  }
}

TEST(Record, ReadsItsMarkOnly) {
  EXPECT_EQ(parse_mark(format_mark({123, 45})), (Mark{123, 45}));
  for (const char* wrong : {"", "250 ok", "row 0 at 1", "row 5", "row x at 1", "row 9999999 at 1"})
    EXPECT_FALSE(parse_mark(wrong)) << wrong;
}

}  // namespace
}  // namespace ekiden::bulk
