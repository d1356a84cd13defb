#include "ekiden/base/line_writer.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace ekiden::base::log {
namespace {

class LineWriterTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(::pipe2(ends_.data(), O_CLOEXEC), 0); }
  void TearDown() override {
    ::close(ends_[0]);
    if (ends_[1] >= 0) ::close(ends_[1]);
  }
  std::unique_ptr<LineWriter> start() {
    return std::make_unique<LineWriter>(
        ends_[1], [](std::uint64_t lines) { return "lost " + std::to_string(lines) + "\n"; });
  }
  std::string read(std::size_t octets) {
    std::string text;
    std::array<char, 65536> part{};
    while (text.size() < octets) {
      const ssize_t n = ::read(ends_[0], part.data(), std::min(part.size(), octets - text.size()));
      if (n <= 0) break;
      text.append(part.data(), static_cast<std::size_t>(n));
    }
    return text;
  }
  std::string read_to_end() {
    ::close(std::exchange(ends_[1], -1));
    return read(std::string::npos);
  }

  std::array<int, 2> ends_{-1, -1};
};

TEST_F(LineWriterTest, WritesWhatWaitsBeforeItEnds) {
  auto writer = start();
  writer->add("a=1\n", false);
  writer->add("b=2\n", false);
  writer.reset();
  EXPECT_EQ(read_to_end(), "a=1\nb=2\n");
}

TEST_F(LineWriterTest, WritesALineWithoutBeingAskedAgain) {
  auto writer = start();
  writer->add("quiet\n", false);
  EXPECT_EQ(read(6), "quiet\n");
  writer->add("urgent\n", true);
  EXPECT_EQ(read(7), "urgent\n");
}

TEST_F(LineWriterTest, KeepsTheLinesOfEachThreadInOrder) {
  auto writer = start();
  std::string seen;
  std::thread reader([&] { seen = read(4 * 2000 * 8); });
  std::vector<std::thread> threads;
  for (char name = 'a'; name <= 'd'; ++name) {
    threads.emplace_back([&writer, name] {
      for (int i = 0; i < 2000; ++i) {
        std::string line(1, name);
        line += std::to_string(100000 + i) + "\n";
        writer->add(line, i % 97 == 0);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  writer.reset();
  reader.join();
  ASSERT_EQ(seen.size(), 4U * 2000 * 8);
  for (char name = 'a'; name <= 'd'; ++name) {
    std::string before;
    int lines = 0;
    for (std::size_t at = 0; at < seen.size(); at += 8) {
      const std::string line = seen.substr(at, 8);
      ASSERT_EQ(line.back(), '\n') << "a line was cut";
      if (line[0] != name) continue;
      EXPECT_LT(before, line);
      before = line;
      ++lines;
    }
    EXPECT_EQ(lines, 2000);
  }
}

// Nobody reads: the pipe fills, then what waits, and adding still returns.
TEST_F(LineWriterTest, SaysHowManyLinesItDropped) {
  auto writer = start();
  const std::string line = std::string(999, 'x') + "\n";
  const std::size_t lines = 2 * LineWriter::kWaitingMax / line.size();
  for (std::size_t i = 0; i < lines; ++i) writer->add(line, false);
  std::string seen;
  std::thread reader([&] { seen = read(std::string::npos); });
  writer.reset();
  ::close(std::exchange(ends_[1], -1));
  reader.join();
  const std::size_t loss = seen.find("lost ");
  ASSERT_NE(loss, std::string::npos);
  const std::size_t dropped = std::stoull(seen.substr(loss + 5));
  const std::size_t written =
      static_cast<std::size_t>(std::count(seen.begin(), seen.end(), 'x')) / 999;
  EXPECT_GT(dropped, 0U);
  EXPECT_EQ(written + dropped, lines);
}

TEST_F(LineWriterTest, SurvivesAReaderThatIsGone) {
  std::signal(SIGPIPE, SIG_IGN);
  ::close(std::exchange(ends_[0], -1));
  auto writer = start();
  writer->add("nobody\n", true);
  writer.reset();
}

}  // namespace
}  // namespace ekiden::base::log
