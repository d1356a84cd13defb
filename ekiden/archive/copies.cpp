#include "ekiden/archive/copies.hpp"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <vector>

#include "ekiden/archive/day_archive.hpp"
#include "ekiden/archive/seal.hpp"
#include "ekiden/base/bytes.hpp"
#include "ekiden/base/log.hpp"
#include "ekiden/events/key.hpp"

namespace ekiden::archive {
namespace {

namespace fs = std::filesystem;

Result<std::uint64_t> erase_in(const std::string& path, std::int64_t hash) {
  Result<events::Database> database = open_day(path);
  if (!database) return database.error();
  const Result<void> set =
      database->execute("PRAGMA secure_delete=ON; PRAGMA synchronous=FULL; BEGIN IMMEDIATE;");
  if (!set) return set.error();
  std::int64_t erased = 0;
  for (const char* sql :
       {"DELETE FROM copies WHERE id IN (SELECT id FROM recipients WHERE hash=?1)",
        "DELETE FROM recipients WHERE id IN (SELECT id FROM recipients WHERE hash=?1)"}) {
    Result<events::Statement> remove = database->prepare(sql);
    if (!remove) return remove.error();
    if (const Result<void> done = remove->bind(1, hash).run(); !done) return done.error();
    if (erased != 0) continue;
    const Result<std::int64_t> changes = database->integer("SELECT changes()");
    if (!changes) return changes.error();
    erased = *changes;
  }
  const Result<void> done = database->execute("COMMIT; PRAGMA wal_checkpoint(TRUNCATE);");
  if (!done) return done.error();
  return static_cast<std::uint64_t>(erased);
}

}  // namespace

events::Day day_of(base::MessageId id) {
  return events::day_of(id.time());
}

std::string name_of(events::Day day) {
  std::string name = events::file_name_of(day);
  name.resize(name.size() - std::strlen(".db"));
  return name;
}

std::string path_of(const std::string& directory, events::Day day) {
  return directory + "/" + events::file_name_of(day);
}

std::string pack(base::MessageId id) {
  std::string octets;
  base::ByteWriter out(octets);
  out.u64(id.high);
  out.u64(id.low);
  return octets;
}

std::string pack(std::string_view meta, std::string_view octets) {
  std::string packed;
  packed.reserve(meta.size() + octets.size() + 10);
  base::ByteWriter out(packed);
  out.text(meta);
  packed += octets;
  return packed;
}

Result<events::Database> open_day(const std::string& path) {
  using Access = events::Database::Access;
  Result<events::Database> database = events::Database::open(path, Access::ReadWrite);
  if (!database) return database;
  std::error_code error;
  fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write, error);
  // A power cut may take the last copies back: their messages are safe elsewhere.
  Result<void> set = database->execute(
      "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=1024;"
      "PRAGMA journal_size_limit=67108864; PRAGMA secure_delete=ON;");
  if (!set) return set.error();
  const Result<std::int64_t> application = database->integer("PRAGMA application_id");
  if (!application) return application.error();
  if (*application != 0) {
    if (const Result<void> checked = check_day(*database); !checked) return checked.error();
    return database;
  }
  set = database->execute(
      "BEGIN IMMEDIATE;"
      "CREATE TABLE copies(id BLOB PRIMARY KEY, sealed BLOB NOT NULL);"
      "CREATE TABLE recipients(hash INTEGER NOT NULL, id BLOB NOT NULL, PRIMARY KEY(hash, id))"
      " WITHOUT ROWID;"
      "CREATE INDEX recipients_by_id ON recipients(id);"
      "PRAGMA application_id=0x656b6172; PRAGMA user_version=1; COMMIT;");
  if (!set) return set.error();
  return database;
}

Result<void> check_day(events::Database& database) {
  const Result<std::int64_t> application = database.integer("PRAGMA application_id");
  if (!application) return application.error();
  const Result<std::int64_t> version = database.integer("PRAGMA user_version");
  if (!version) return version.error();
  if (*application != kApplicationId || *version != kLayoutVersion)
    return make_error_code(events::Errc::Corrupt);
  return {};
}

std::int64_t recipient_hash(const account::HashKey& node_key, std::string_view address) {
  const std::string hash = node_key.hash("archived recipient", events::recipient_key(address));
  return base::ByteReader(hash).i64();
}

Result<std::optional<Copy>> load_copy(const std::string& directory,
                                      const account::HashKey& node_key, base::MessageId id) {
  const events::Day day = day_of(id);
  const std::string path = path_of(directory, day);
  std::optional<Copy> copy;
  std::error_code error;
  if (!fs::exists(path, error)) return copy;
  Result<events::Database> database =
      events::Database::open(path, events::Database::Access::ReadOnly);
  if (!database) return database.error();
  if (const Result<void> checked = check_day(*database); !checked) return checked.error();
  Result<events::Statement> select = database->prepare("SELECT sealed FROM copies WHERE id=?1");
  if (!select) return select.error();
  const std::string key = pack(id);
  select->bind_blob(1, key);
  const int code = select->step();
  if (code == SQLITE_DONE) return copy;
  if (code != SQLITE_ROW) return events::error_of(code);
  const Seal seal(node_key, name_of(day));
  const Result<std::string> opened = seal.open(id, select->blob(0));
  if (!opened) return opened.error();
  base::ByteReader in(*opened);
  copy.emplace();
  copy->meta = in.text();
  if (!in.ok()) return make_error_code(events::Errc::Corrupt);
  copy->octets = in.rest();
  return copy;
}

Result<std::uint64_t> erase_copies(const std::string& directory, const account::HashKey& node_key,
                                   const std::string& recipient) {
  const std::int64_t hash = recipient_hash(node_key, recipient);
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator at(directory, error), end; !error && at != end; at.increment(error)) {
    if (events::day_of_file_name(at->path().filename().string())) files.push_back(at->path());
  }
  std::sort(files.begin(), files.end());
  std::uint64_t erased = 0;
  for (const fs::path& file : files) {
    const Result<std::uint64_t> here = erase_in(file.string(), hash);
    if (!here && here.error() == make_error_code(events::Errc::Corrupt)) {
      base::log::warning("archive_file_skipped", {{"file", file.string()}, {"reason", "damaged"}});
      continue;
    }
    if (!here) return here.error();
    erased += *here;
  }
  return erased;
}

}  // namespace ekiden::archive
