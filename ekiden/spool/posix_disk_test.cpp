#include "ekiden/spool/posix_disk.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

#include "ekiden/spool/error.hpp"

namespace ekiden::spool {
namespace {

class PosixDiskTest : public ::testing::Test {
 protected:
  PosixDiskTest() {
    std::string pattern = ::testing::TempDir() + "ekiden_spool_XXXXXX";
    root = ::mkdtemp(pattern.data());
  }
  ~PosixDiskTest() override { std::filesystem::remove_all(root); }
  std::string root;
};

TEST_F(PosixDiskTest, ASecondProcessIsLockedOut) {
  auto first = PosixDisk::open_root(root);
  ASSERT_TRUE(first);
  EXPECT_EQ(PosixDisk::open_root(root).error(), make_error_code(Errc::Locked));
  first->reset();
  EXPECT_TRUE(PosixDisk::open_root(root));
}

TEST_F(PosixDiskTest, WritesManyPiecesAndReadsThemBack) {
  auto disk = PosixDisk::open_root(root);
  ASSERT_TRUE((*disk)->make_directory("d"));
  ASSERT_TRUE((*disk)->make_directory("d")) << "existing is fine";
  auto file = (*disk)->open("d/f", Open::CreateNew);
  ASSERT_TRUE(file);
  EXPECT_FALSE((*disk)->open("d/f", Open::CreateNew));
  ASSERT_TRUE((*file)->allocate(1 << 20));
  std::vector<std::string> parts;
  std::string all;
  for (int i = 0; i < 1000; ++i)
    all += parts.emplace_back(static_cast<std::size_t>(i % 7), 'a' + i % 26);
  const std::vector<std::string_view> pieces(parts.begin(), parts.end());
  ASSERT_TRUE((*file)->write_at(4096, pieces));
  ASSERT_TRUE((*file)->sync());
  std::string back(all.size(), '\0');
  EXPECT_EQ(*(*file)->read_at(4096, back), all.size());
  EXPECT_EQ(back, all);
  EXPECT_EQ(*(*file)->size(), 1u << 20);
  EXPECT_EQ(*(*file)->read_at((1 << 20) - 10, back), 10u);
  ASSERT_TRUE((*disk)->rename("d/f", "d/g"));
  ASSERT_TRUE((*disk)->sync_directory("d"));
  EXPECT_EQ(*(*disk)->list("d"), std::vector<std::string>{"g"});
  ASSERT_TRUE((*disk)->remove("d/g"));
  EXPECT_EQ((*disk)->remove("d/g").error(), make_error_code(Errc::NotFound));
  EXPECT_EQ((*disk)->open("d/g", Open::Existing).error(), make_error_code(Errc::NotFound));
  EXPECT_GT(*(*disk)->free_space(), 0u);
}

}  // namespace
}  // namespace ekiden::spool
