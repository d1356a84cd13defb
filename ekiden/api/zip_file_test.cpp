#include "ekiden/api/zip_file.hpp"

#include <gtest/gtest.h>
#include <zip.h>

#include <optional>

namespace ekiden::api {
namespace {

/// The content of a file of the archive, as libzip reads it back.
std::optional<std::string> content_of(const std::string& octets, const char* name) {
  zip_error_t error;
  zip_source_t* const source = zip_source_buffer_create(octets.data(), octets.size(), 0, &error);
  zip_t* const archive = zip_open_from_source(source, ZIP_RDONLY | ZIP_CHECKCONS, &error);
  if (archive == nullptr) {
    zip_source_free(source);
    return std::nullopt;
  }
  std::optional<std::string> content;
  zip_stat_t size;
  zip_file_t* const file = zip_fopen(archive, name, 0);
  if (file != nullptr && zip_stat(archive, name, 0, &size) == 0) {
    content.emplace(size.size, '\0');
    if (zip_fread(file, content->data(), size.size) != static_cast<zip_int64_t>(size.size))
      content.reset();
    zip_fclose(file);
  }
  zip_discard(archive);
  return content;
}

TEST(ZipFile, HoldsWhatWasPutIn) {
  const std::string large(3'000'000, 'x');
  const std::string octets = zip_of(
      {{"errors.csv", "id,email\r\n1,a@example.jp\r\n"}, {"一覧.csv", large}, {"empty", ""}});
  EXPECT_EQ(content_of(octets, "errors.csv"), "id,email\r\n1,a@example.jp\r\n");
  EXPECT_EQ(content_of(octets, "一覧.csv"), large);
  EXPECT_EQ(content_of(octets, "empty"), "");
  EXPECT_FALSE(content_of(octets, "other"));
  EXPECT_LT(octets.size(), 10'000u);
  // The same files make the same octets: no time of now is in them.
  EXPECT_EQ(zip_of({{"a", "b"}}), zip_of({{"a", "b"}}));
}

TEST(ZipFile, ANameTwiceIsNoArchive) {
  EXPECT_TRUE(zip_of({{"a", "1"}, {"a", "2"}}).empty());
}

}  // namespace
}  // namespace ekiden::api
