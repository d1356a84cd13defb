#include "ekiden/spool/large_file.hpp"

#include <algorithm>
#include <cstdio>

#include "ekiden/base/checksum.hpp"
#include "ekiden/base/log.hpp"
#include "ekiden/spool/error.hpp"

namespace ekiden::spool {
namespace {

constexpr std::size_t kCheckOctets = 1 << 20;

/// What the writer and its work on the pool share. One piece of work at a time.
struct Writing {
  Disk& disk;
  std::uint64_t number;
  std::unique_ptr<File> file;
  std::uint64_t size = 0;
  std::uint32_t crc = 0;
  Error error;

  std::string part() const {
    char name[64];
    std::snprintf(name, sizeof name, "large/%016llx.part", static_cast<unsigned long long>(number));
    return name;
  }
  std::string whole() const {
    char name[96];
    std::snprintf(name, sizeof name, "large/%016llx-%llu-%08x.body",
                  static_cast<unsigned long long>(number), static_cast<unsigned long long>(size),
                  crc);
    return name;
  }

  Result<void> append(std::string_view octets) {
    if (error) return error;
    Result<void> result;
    if (!file) {
      Result<std::unique_ptr<File>> made = disk.open(part(), Open::CreateNew);
      if (made) {
        file = std::move(*made);
      } else {
        result = made.error();
      }
    }
    if (result) result = file->write_at(size, {&octets, 1});
    if (!result) {
      error = result.error();
      return result;
    }
    size += octets.size();
    crc = base::crc32c(octets, crc);
    return result;
  }

  Result<base::Octets> read(std::uint64_t offset, std::size_t length) {
    if (error) return error;
    const std::uint64_t there = size - std::min(size, offset);
    std::string octets(static_cast<std::size_t>(std::min<std::uint64_t>(length, there)), '\0');
    if (octets.empty()) return base::Octets();
    const Result<std::size_t> got = file->read_at(offset, octets);
    if (!got) return got.error();
    if (*got != octets.size()) return Errc::Io;
    return base::Octets(std::move(octets));
  }

  Result<Body> finish() {
    if (!file && !error) (void)append({});
    if (error) return error;
    Result<void> result = file->sync();
    if (result) result = disk.rename(part(), whole());
    if (result) result = disk.sync_directory("large");
    if (!result) {
      error = result.error();
      return result.error();
    }
    Body body;
    body.file = whole();
    body.size = size;
    return body;
  }

  void discard() {
    if (!file) return;
    file.reset();
    (void)disk.remove(part());
  }
};

class PoolWriter final : public LargeWriter {
 public:
  PoolWriter(Disk& disk, base::Executor& pool, base::Executor& home, std::uint64_t number)
      : pool_(pool), home_(home), writing_(new Writing{disk, number, nullptr, 0, 0, {}}) {}

  ~PoolWriter() override {
    if (is_finished_) return;
    pool_.post([writing = writing_] { writing->discard(); });
  }

  void append(std::string octets, base::Completion<Result<void>> done) override {
    pool_.post([writing = writing_, home = &home_, octets = std::move(octets),
                done = std::move(done)]() mutable {
      Result<void> result = writing->append(octets);
      home->post([done = std::move(done), result]() mutable { done(result); });
    });
  }

  void read(std::uint64_t offset, std::size_t length,
            base::Completion<Result<base::Octets>> done) override {
    pool_.post(
        [writing = writing_, home = &home_, offset, length, done = std::move(done)]() mutable {
          Result<base::Octets> result = writing->read(offset, length);
          home->post([done = std::move(done), result = std::move(result)]() mutable {
            done(std::move(result));
          });
        });
  }

  void finish(base::Completion<Result<Body>> done) override {
    is_finished_ = true;
    pool_.post([writing = writing_, home = &home_, done = std::move(done)]() mutable {
      Result<Body> result = writing->finish();
      if (!result) writing->discard();
      home->post([done = std::move(done), result = std::move(result)]() mutable {
        done(std::move(result));
      });
    });
  }

 private:
  base::Executor& pool_;
  base::Executor& home_;
  std::shared_ptr<Writing> writing_;
  bool is_finished_ = false;
};

}  // namespace

std::unique_ptr<LargeWriter> LargeFiles::create(base::Executor& home) {
  return std::make_unique<PoolWriter>(disk_, pool_, home, next_.fetch_add(1));
}

bool is_large_path(std::string_view path) {
  constexpr std::string_view kDirectory = "large/";
  if (!path.starts_with(kDirectory)) return false;
  const std::string_view name = path.substr(kDirectory.size());
  return !name.empty() && name.front() != '.' && name.find('/') == std::string_view::npos &&
         name.find('\0') == std::string_view::npos;
}

Result<base::Octets> read_large(Disk& disk, const Body& body, std::uint64_t offset,
                                std::size_t length) {
  if (offset > body.size || !is_large_path(body.file)) return Errc::Corrupt;
  Result<std::unique_ptr<File>> file = disk.open(body.file, Open::Existing);
  if (!file) return file.error();
  const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(length, body.size - offset));
  std::string octets(wanted, '\0');
  const Result<std::size_t> got = (*file)->read_at(offset, octets);
  if (!got) return got.error();
  if (*got != wanted) return Errc::Corrupt;
  return base::Octets(std::move(octets));
}

Result<void> check_large(Disk& disk, const std::string& path) {
  unsigned long long number = 0, size = 0;
  unsigned crc = 0;
  int end = 0;
  if (!is_large_path(path) ||
      std::sscanf(path.c_str(), "large/%16llx-%20llu-%8x.body%n", &number, &size, &crc, &end) !=
          3 ||
      static_cast<std::size_t>(end) != path.size())
    return Errc::Corrupt;
  Result<std::unique_ptr<File>> file = disk.open(path, Open::Existing);
  if (!file) return file.error();
  std::string octets(kCheckOctets, '\0');
  std::uint64_t at = 0;
  std::uint32_t sum = 0;
  for (;;) {
    const Result<std::size_t> got = (*file)->read_at(at, octets);
    if (!got) return got.error();
    if (*got == 0) break;
    sum = base::crc32c(std::string_view(octets).substr(0, *got), sum);
    at += *got;
  }
  if (at != size || sum != crc) return Errc::Corrupt;
  return {};
}

void remove_orphans(Disk& disk, const std::function<bool(const std::string& path)>& is_live) {
  const Result<std::vector<std::string>> names = disk.list("large");
  if (!names) return;
  for (const std::string& name : *names) {
    const std::string path = "large/" + name;
    if (is_live(path)) continue;
    base::log::info("spool_orphan_removed", {{"file", path}});
    (void)disk.remove(path);
  }
}

}  // namespace ekiden::spool
