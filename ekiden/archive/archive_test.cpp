#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "ekiden/archive/archivist.hpp"
#include "ekiden/archive/copies.hpp"
#include "ekiden/archive/day_archive.hpp"
#include "tests/support/fake_clock.hpp"

namespace ekiden::archive {
namespace {

namespace fs = std::filesystem;

/// Runs what is posted when the test says so.
class Later final : public base::Executor {
 public:
  void post(base::Work work) override { works_.push_back(std::move(work)); }
  void run() {
    auto works = std::move(works_);
    works_.clear();
    for (base::Work& work : works) work();
  }

 private:
  std::vector<base::Work> works_;
};

class ArchiveTest : public testing::Test {
 protected:
  ArchiveTest() {
    std::string pattern = testing::TempDir() + "ekiden-archive-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    options_.directory = folder_ + "/archive";
  }
  ~ArchiveTest() override { fs::remove_all(folder_); }

  Archivist make() { return Archivist(home_, clock_, key_, random_, metrics_, options_); }
  base::MessageId id(int number) {
    const auto ms = static_cast<std::uint64_t>(base::to_unix_us(clock_.now()) / 1000);
    return {ms << 16, static_cast<std::uint64_t>(number)};
  }
  void keep(Archivist& archivist, base::MessageId which, std::string octets,
            std::vector<std::string> recipients = {"hanako@example.jp"}) {
    const std::uint64_t size = octets.size();
    ASSERT_TRUE(archivist.reserve(size));
    archivist.keep({which, "meta", std::move(recipients), base::Octets(std::move(octets))}, size);
    home_.run();
  }
  std::optional<Copy> load(base::MessageId which) {
    const auto copy = load_copy(options_.directory, key_, which);
    return copy ? *copy : std::nullopt;
  }
  std::uint64_t counted(const char* result) {
    return metrics_.counter("ekiden_archive_messages_total", "", {{"result", result}}).value();
  }
  std::string all_octets() {
    std::string all;
    for (const auto& file : fs::directory_iterator(options_.directory)) {
      std::ifstream in(file.path(), std::ios::binary);
      all.append(std::istreambuf_iterator<char>(in), {});
    }
    return all;
  }

  Later home_;
  test::FakeClock clock_;
  base::SeededRandom random_{1};
  account::HashKey key_{random_};
  base::Metrics metrics_;
  std::string folder_;
  Archivist::Options options_;
};

TEST_F(ArchiveTest, ACopyComesBackAsItWasAndIsNotReadableOnDisk) {
  Archivist archivist = make();
  keep(archivist, id(1), "Subject: geheim\r\n\r\nbody of the message");
  const auto copy = load(id(1));
  ASSERT_TRUE(copy);
  EXPECT_EQ(copy->meta, "meta");
  EXPECT_EQ(copy->octets, "Subject: geheim\r\n\r\nbody of the message");
  EXPECT_FALSE(load(id(2)));
  const std::string disk = all_octets();
  EXPECT_EQ(disk.find("geheim"), std::string::npos);
  EXPECT_EQ(disk.find("hanako"), std::string::npos);
  const auto mode = fs::status(path_of(options_.directory, day_of(id(1)))).permissions();
  EXPECT_EQ(mode & (fs::perms::group_all | fs::perms::others_all), fs::perms::none);
}

TEST_F(ArchiveTest, AnotherKeyAndAnotherIdOpenNothing) {
  Archivist archivist = make();
  keep(archivist, id(1), "octets");
  const account::HashKey other(random_);
  EXPECT_EQ(load_copy(options_.directory, other, id(1)).error(),
            make_error_code(events::Errc::Corrupt));
  const Seal seal(key_, "2026-11-22");
  const auto sealed = seal.close(id(1), "octets", random_);
  ASSERT_TRUE(sealed);
  EXPECT_EQ(*seal.open(id(1), *sealed), "octets");
  EXPECT_FALSE(seal.open(id(2), *sealed));
  for (const std::size_t at : {std::size_t{0}, std::size_t{5}, sealed->size() - 1}) {
    std::string changed = *sealed;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    EXPECT_FALSE(seal.open(id(1), changed)) << at;
  }
  EXPECT_FALSE(seal.open(id(1), sealed->substr(0, 20)));
}

TEST_F(ArchiveTest, WhatIsTooLargeOrTooMuchIsLeftOutAndCounted) {
  options_.message_max = 100;
  options_.backlog_max = 150;
  Archivist archivist = make();
  EXPECT_FALSE(archivist.reserve(101));
  EXPECT_EQ(counted("too_large"), 1u);
  EXPECT_TRUE(archivist.reserve(100));
  EXPECT_FALSE(archivist.reserve(100));
  EXPECT_EQ(counted("no_room"), 1u);
  archivist.release(100);
  EXPECT_TRUE(archivist.reserve(100));
}

TEST_F(ArchiveTest, DaysGoByRetentionAndTheOldestBySize) {
  options_.retention = std::chrono::days(2);
  Archivist archivist = make();
  std::vector<base::MessageId> ids;
  for (int day = 0; day < 5; ++day) {
    ids.push_back(id(day));
    keep(archivist, ids.back(), "octets");
    clock_.advance(std::chrono::days(1));
  }
  archivist.remove_old();
  EXPECT_FALSE(load(ids[0]));
  EXPECT_FALSE(load(ids[2]));
  EXPECT_TRUE(load(ids[3]));
  EXPECT_TRUE(load(ids[4]));

  options_.size_max = 1'000'000;
  Archivist small = make();
  keep(small, id(10), std::string(990'000, 'x'));
  EXPECT_FALSE(load(ids[3]));
  EXPECT_TRUE(load(id(10)));
  keep(small, id(11), std::string(990'000, 'x'));
  EXPECT_FALSE(load(id(11))) << "the newest day is full";
  EXPECT_TRUE(load(id(10))) << "and stays";
  EXPECT_EQ(counted("no_room"), 1u);
}

TEST_F(ArchiveTest, ErasureTakesAwayEveryCopyToOnePersonAndItsOctets) {
  Archivist archivist = make();
  keep(archivist, id(1), "one", {"hanako@example.jp"});
  keep(archivist, id(2), "two", {"taro@example.jp", "hanako@EXAMPLE.jp"});
  keep(archivist, id(3), "three", {"taro@example.jp"});
  const auto erased = erase_copies(options_.directory, key_, "hanako@example.jp");
  ASSERT_TRUE(erased);
  EXPECT_EQ(*erased, 2u);
  EXPECT_FALSE(load(id(1)));
  EXPECT_FALSE(load(id(2)));
  EXPECT_TRUE(load(id(3)));
  EXPECT_EQ(*erase_copies(options_.directory, key_, "hanako@example.jp"), 0u);
  keep(archivist, id(4), "four", {"hanako@example.jp"});
  EXPECT_TRUE(load(id(4))) << "the archivist goes on behind an erasure";
}

TEST_F(ArchiveTest, AFolderThatCannotBeWrittenLosesCopiesOnly) {
  std::ofstream(folder_ + "/file") << "x";
  options_.directory = folder_ + "/file";
  Archivist archivist = make();
  keep(archivist, id(1), "octets");
  EXPECT_EQ(counted("failed"), 1u);
  EXPECT_EQ(counted("kept"), 0u);
  EXPECT_TRUE(archivist.reserve(options_.backlog_max / 4)) << "its room was given back";
}

}  // namespace
}  // namespace ekiden::archive
