// The only translation unit that sees libzip.
#include "ekiden/api/zip_file.hpp"

#include <zip.h>

#include <algorithm>
#include <memory>

namespace ekiden::api {
namespace {

/// Where zip's calendar begins: 1980-01-01.
constexpr std::int64_t kFirstSecond = 315'532'800;

struct FreeSource {
  void operator()(zip_source_t* source) const { zip_source_free(source); }
};
struct Discard {
  void operator()(zip_t* archive) const { zip_discard(archive); }
};

bool add(zip_t* archive, const ZipEntry& entry) {
  zip_source_t* const content =
      zip_source_buffer(archive, entry.content.data(), entry.content.size(), 0);
  if (content == nullptr) return false;
  const zip_int64_t index = zip_file_add(archive, entry.name.c_str(), content, ZIP_FL_ENC_UTF_8);
  if (index < 0) {
    zip_source_free(content);
    return false;
  }
  const std::int64_t seconds = base::to_unix_us(entry.modified) / 1'000'000;
  return zip_file_set_mtime(archive, static_cast<zip_uint64_t>(index),
                            std::max(seconds, kFirstSecond), 0) == 0;
}

}  // namespace

std::string zip_of(const std::vector<ZipEntry>& entries) {
  zip_error_t error;
  zip_error_init(&error);
  const std::unique_ptr<zip_source_t, FreeSource> memory(
      zip_source_buffer_create(nullptr, 0, 0, &error));
  if (!memory) return {};
  std::unique_ptr<zip_t, Discard> archive(zip_open_from_source(memory.get(), ZIP_TRUNCATE, &error));
  if (!archive) return {};
  // The archive lets go of one reference when it is closed; the other is read from afterwards.
  zip_source_keep(memory.get());
  for (const ZipEntry& entry : entries) {
    if (!add(archive.get(), entry)) return {};
  }
  if (zip_close(archive.get()) != 0) return {};
  (void)archive.release();
  if (zip_source_open(memory.get()) != 0) return {};
  std::string octets;
  zip_stat_t size;
  if (zip_source_stat(memory.get(), &size) == 0 && (size.valid & ZIP_STAT_SIZE) != 0) {
    octets.resize(size.size);
    const zip_int64_t read = zip_source_read(memory.get(), octets.data(), octets.size());
    if (read != static_cast<zip_int64_t>(octets.size())) octets.clear();
  }
  zip_source_close(memory.get());
  return octets;
}

}  // namespace ekiden::api
