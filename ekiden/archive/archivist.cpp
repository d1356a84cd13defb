#include "ekiden/archive/archivist.hpp"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "ekiden/archive/copies.hpp"
#include "ekiden/archive/day_archive.hpp"
#include "ekiden/base/log.hpp"

namespace ekiden::archive {
namespace {

namespace fs = std::filesystem;

base::Counter& counter(base::Metrics& metrics, const char* result) {
  return metrics.counter("ekiden_archive_messages_total",
                         "Messages of tenants and streams that keep copies", {{"result", result}});
}

struct DayFiles {
  events::Day day = 0;
  std::uint64_t octets = 0;
};

/// Ascending; a database and the files beside it are one.
std::vector<DayFiles> list_days(const std::string& directory) {
  std::vector<DayFiles> days;
  std::error_code error;
  for (fs::directory_iterator at(directory, error), end; !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename().string();
    const auto day = events::day_of_file_name(std::string_view(name).substr(0, 13));
    if (!day) continue;
    std::error_code unknown;
    const std::uintmax_t octets = at->file_size(unknown);
    const auto known = std::find_if(days.begin(), days.end(),
                                    [&](const DayFiles& one) { return one.day == *day; });
    DayFiles& files = known != days.end() ? *known : days.emplace_back(DayFiles{*day, 0});
    if (!unknown) files.octets += octets;
  }
  std::sort(days.begin(), days.end(), [](const auto& a, const auto& b) { return a.day < b.day; });
  return days;
}

}  // namespace

struct Archivist::Open {
  events::Day day;
  events::Database database;
  Seal seal;
  events::Statement insert, insert_recipient;
};

Archivist::Archivist(base::Executor& home, base::Clock& clock, const account::HashKey& node_key,
                     base::Random& random, base::Metrics& metrics, Options options)
    : home_(home),
      clock_(clock),
      node_key_(node_key),
      random_(random),
      options_(std::move(options)),
      kept_(counter(metrics, "kept")),
      too_large_(counter(metrics, "too_large")),
      no_room_(counter(metrics, "no_room")),
      failed_(counter(metrics, "failed")),
      size_gauge_(metrics.gauge("ekiden_archive_octets", "Octets that the archive takes")) {}

Archivist::~Archivist() = default;

bool Archivist::reserve(std::uint64_t octets) {
  if (octets > options_.message_max) {
    too_large_.add();
    return false;
  }
  if (waiting_.fetch_add(octets) + octets <= options_.backlog_max) return true;
  waiting_.fetch_sub(octets);
  no_room_.add();
  return false;
}

void Archivist::release(std::uint64_t octets) {
  waiting_.fetch_sub(octets);
  failed_.add();
}

void Archivist::keep(Accepted message, std::uint64_t octets) {
  home_.post([this, message = std::move(message), octets] {
    const Result<Written> written = write(message);
    waiting_.fetch_sub(octets);
    if (written) {
      (*written == Written::Yes ? kept_ : no_room_).add();
      return;
    }
    open_.reset();
    failed_.add();
    base::log::error("message_not_archived", {{"message", base::format_message_id(message.id)},
                                              {"reason", written.error().message()},
                                              {"effect", "it is delivered without a copy"}});
  });
}

Result<Archivist::Open*> Archivist::open(events::Day day) {
  if (open_ != nullptr && open_->day == day) return open_.get();
  open_.reset();
  std::error_code error;
  fs::create_directories(options_.directory, error);
  if (!error) fs::permissions(options_.directory, fs::perms::owner_all, error);
  Result<events::Database> database = open_day(path_of(options_.directory, day));
  if (!database) return database.error();
  Result<events::Statement> insert =
      database->prepare("INSERT OR REPLACE INTO copies VALUES(?1, ?2)");
  if (!insert) return insert.error();
  Result<events::Statement> recipient =
      database->prepare("INSERT OR IGNORE INTO recipients VALUES(?1, ?2)");
  if (!recipient) return recipient.error();
  open_ = std::make_unique<Open>(Open{day, std::move(*database), Seal(node_key_, name_of(day)),
                                      std::move(*insert), std::move(*recipient)});
  return open_.get();
}

Result<Archivist::Written> Archivist::write(const Accepted& message) {
  const std::uint64_t wanted = message.meta.size() + message.octets.size();
  if (!is_measured_ || size_ + wanted > options_.size_max) remove_old(wanted);
  if (size_ + wanted > options_.size_max) return Written::NoRoom;
  const Result<Open*> day = open(day_of(message.id));
  if (!day) return day.error();
  Open& file = **day;
  const std::string packed = pack(message.meta, message.octets.view());
  const Result<std::string> sealed = file.seal.close(message.id, packed, random_);
  if (!sealed) return sealed.error();
  const std::string id = pack(message.id);
  if (const Result<void> begun = file.database.execute("BEGIN IMMEDIATE"); !begun)
    return begun.error();
  const auto add = [&]() -> Result<void> {
    file.insert.bind_blob(1, id).bind_blob(2, *sealed);
    if (const Result<void> done = file.insert.run(); !done) return done;
    for (const std::string& recipient : message.recipients) {
      file.insert_recipient.bind(1, recipient_hash(node_key_, recipient)).bind_blob(2, id);
      if (const Result<void> done = file.insert_recipient.run(); !done) return done;
    }
    return file.database.execute("COMMIT");
  };
  const Result<void> added = add();
  if (!added) {
    (void)file.database.execute("ROLLBACK");
    return added.error();
  }
  size_ += sealed->size();
  size_gauge_.set(static_cast<std::int64_t>(size_));
  return Written::Yes;
}

void Archivist::remove_old(std::uint64_t wanted) {
  std::vector<DayFiles> days = list_days(options_.directory);
  is_measured_ = true;
  size_ = 0;
  for (const DayFiles& one : days) size_ += one.octets;
  const events::Day oldest = events::day_of(clock_.now() - options_.retention);
  const events::Day today = events::day_of(clock_.now());
  for (const DayFiles& one : days) {
    const bool is_over = one.day < oldest;
    if (!is_over && (size_ + wanted <= options_.size_max || one.day >= today)) break;
    if (open_ != nullptr && open_->day == one.day) open_.reset();
    const std::string path = path_of(options_.directory, one.day);
    std::error_code error;
    for (const char* suffix : {"-wal", "-shm", ""}) fs::remove(path + suffix, error);
    if (error) {
      base::log::warning("archive_file_not_removed", {{"file", path}, {"reason", error.message()}});
      continue;
    }
    size_ -= std::min(size_, one.octets);
    base::log::info("archive_file_removed",
                    {{"file", path}, {"reason", is_over ? "retention" : "archive.size_max"}});
  }
  size_gauge_.set(static_cast<std::int64_t>(size_));
}

}  // namespace ekiden::archive
