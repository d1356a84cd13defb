#include "ekiden/events/tally.hpp"

#include <algorithm>
#include <chrono>

#include "ekiden/base/text.hpp"
#include "ekiden/events/key.hpp"

namespace ekiden::events {
namespace {

constexpr std::array<std::string_view, 6> kDimensionNames = {"all",    "stream",   "tag",
                                                             "domain", "provider", "source"};
/// Added to the dimension of the rest, whose name is empty.
constexpr int kRest = 64;
/// Names whose numbers are kept in memory; past it they are looked up anew.
constexpr std::size_t kIdsMax = 50'000;

int hour_of(base::Time time) {
  constexpr std::int64_t kHourUs = 3'600'000'000;
  const std::int64_t us = base::to_unix_us(time);
  const std::int64_t hours = us >= 0 ? us / kHourUs : -((-us + kHourUs - 1) / kHourUs);
  return static_cast<int>((hours % 24 + 24) % 24);
}

}  // namespace

std::string_view dimension_name(Dimension dimension) {
  return kDimensionNames[static_cast<std::size_t>(dimension)];
}

std::optional<Dimension> parse_dimension(std::string_view name) {
  const auto found = std::find(kDimensionNames.begin() + 1, kDimensionNames.end(), name);
  if (found == kDimensionNames.end()) return std::nullopt;
  return static_cast<Dimension>(found - kDimensionNames.begin());
}

std::uint64_t sum_of(const Counts& counts) {
  std::uint64_t sum = 0;
  for (const std::uint64_t count : counts) sum += count;
  return sum;
}

void add_to(Counts& counts, const Counts& more) {
  for (std::size_t i = 0; i < counts.size(); ++i) counts[i] += more[i];
}

std::size_t Tally::Hash::operator()(std::string_view text) const {
  return std::hash<std::string_view>()(text);
}

// A cell's key: hour, dimension, length of the tenant in two octets, tenant, name.
void Tally::add(std::string_view tenant, Dimension dimension, std::string_view name, int hour,
                std::size_t kind) {
  const std::size_t length = std::min<std::size_t>(tenant.size(), 0xffff);
  key_.clear();
  key_ += static_cast<char>(hour);
  key_ += static_cast<char>(dimension);
  key_ += static_cast<char>(length & 0xff);
  key_ += static_cast<char>(length >> 8);
  key_ += tenant.substr(0, length);
  key_ += name;
  auto found = cells_.find(key_);
  if (found == cells_.end()) found = cells_.try_emplace(key_, Counts{}).first;
  ++found->second[kind];
}

void Tally::add(const KeyView& keys) {
  if (keys.recipient_index == kNoRecipient) return;
  const auto kind = static_cast<std::size_t>(keys.kind);
  const int hour = hour_of(keys.time);
  add(keys.tenant, Dimension::All, {}, hour, kind);
  if (!keys.stream.empty()) add(keys.tenant, Dimension::Stream, keys.stream, hour, kind);
  for (std::size_t i = 0; i < keys.tag_count; ++i) {
    // The same tag twice is one.
    const auto before = keys.tags.begin() + static_cast<std::ptrdiff_t>(i);
    if (keys.tags[i].empty() || std::find(keys.tags.begin(), before, keys.tags[i]) != before) {
      continue;
    }
    add(keys.tenant, Dimension::Tag, keys.tags[i], hour, kind);
  }
  const std::size_t at = keys.recipient.rfind('@');
  if (at != std::string_view::npos) {
    std::string_view domain = keys.recipient.substr(at + 1);
    if (domain.ends_with('.')) domain.remove_suffix(1);
    const bool is_lower =
        std::none_of(domain.begin(), domain.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
    if (is_lower) {
      add(keys.tenant, Dimension::Domain, domain, hour, kind);
    } else {
      add(keys.tenant, Dimension::Domain, base::lowered(domain), hour, kind);
    }
  }
  if (!keys.provider.empty()) add(keys.tenant, Dimension::Provider, keys.provider, hour, kind);
  if (!keys.source.empty()) add(keys.tenant, Dimension::Source, keys.source, hour, kind);
}

void Tally::visit(const std::function<void(const TallyKey&, const Counts&)>& see) const {
  for (const auto& [text, counts] : cells_) {
    const std::string_view key = text;
    const auto octet = [&](std::size_t i) { return static_cast<unsigned char>(key[i]); };
    const std::size_t length = octet(2) + (std::size_t{octet(3)} << 8);
    TallyKey cell;
    cell.hour = octet(0);
    cell.dimension = static_cast<Dimension>(octet(1));
    cell.tenant = key.substr(4, length);
    cell.name = key.substr(4 + length);
    see(cell, counts);
  }
}

const char* TallyTable::create_sql() {
  return "CREATE TABLE names(id INTEGER PRIMARY KEY, tenant BLOB NOT NULL,"
         " dimension INTEGER NOT NULL, name BLOB NOT NULL, UNIQUE(tenant, dimension, name));"
         "CREATE TABLE counts(hour INTEGER NOT NULL, name INTEGER NOT NULL,"
         " k0 INTEGER, k1 INTEGER, k2 INTEGER, k3 INTEGER, k4 INTEGER, k5 INTEGER, k6 INTEGER,"
         " k7 INTEGER, k8 INTEGER, k9 INTEGER, k10 INTEGER, k11 INTEGER, k12 INTEGER,"
         " k13 INTEGER, k14 INTEGER, k15 INTEGER, PRIMARY KEY(hour, name)) WITHOUT ROWID;";
}

Result<TallyTable> TallyTable::open(Database& database) {
  TallyTable table;
  std::string add_counts = "INSERT INTO counts VALUES(?1, ?2";
  std::string conflict;
  for (std::size_t i = 0; i < Counts().size(); ++i) {
    const std::string column = "k" + std::to_string(i);
    add_counts += ", ?" + std::to_string(i + 3);
    conflict += (i == 0 ? "" : ", ") + column + "=" + column + "+excluded." + column;
  }
  add_counts += ") ON CONFLICT(hour, name) DO UPDATE SET " + conflict;
  const std::pair<Statement*, std::string> statements[] = {
      {&table.find_name_, "SELECT id FROM names WHERE tenant=?1 AND dimension=?2 AND name=?3"},
      {&table.insert_name_, "INSERT INTO names(tenant, dimension, name) VALUES(?1, ?2, ?3)"},
      {&table.names_by_kind_,
       "SELECT tenant, dimension, count(*) FROM names GROUP BY tenant, dimension"},
      {&table.add_counts_, add_counts},
  };
  for (const auto& [statement, sql] : statements) {
    Result<Statement> prepared = database.prepare(sql);
    if (!prepared) return prepared.error();
    *statement = std::move(*prepared);
  }
  return table;
}

void TallyTable::forget_names() {
  ids_.clear();
  are_names_counted_ = false;
}

Result<void> TallyTable::count_names() {
  names_.clear();
  names_in_file_ = 0;
  int code;
  while ((code = names_by_kind_.step()) == SQLITE_ROW) {
    const auto count = static_cast<std::size_t>(names_by_kind_.integer(2));
    names_[{std::string(names_by_kind_.blob(0)), static_cast<int>(names_by_kind_.integer(1))}] =
        count;
    names_in_file_ += count;
  }
  names_by_kind_.reset();
  if (code != SQLITE_DONE) return error_of(code);
  are_names_counted_ = true;
  return {};
}

Result<std::int64_t> TallyTable::id_of(const TallyKey& key) {
  const int dimension = static_cast<int>(key.dimension) + (key.is_rest ? kRest : 0);
  std::string text{static_cast<char>(dimension)};
  text.append(key.tenant).append(1, '\0').append(key.name);
  if (const auto known = ids_.find(text); known != ids_.end()) return known->second;

  if (!are_names_counted_) {
    if (const Result<void> counted = count_names(); !counted) return counted.error();
  }
  const auto step = [&](Statement& statement) {
    statement.bind_blob(1, key.tenant).bind(2, dimension).bind_blob(3, key.name);
    return statement.step();
  };
  std::int64_t id = 0;
  const int code = step(find_name_);
  if (code == SQLITE_ROW) id = find_name_.integer(0);
  find_name_.reset();
  if (code != SQLITE_ROW && code != SQLITE_DONE) return error_of(code);
  if (id == 0) {
    std::size_t& of_kind = names_[{std::string(key.tenant), dimension}];
    const bool is_open_ended = key.dimension != Dimension::All && !key.is_rest;
    if (is_open_ended && (of_kind >= kNamesMax || names_in_file_ >= kNamesInFileMax ||
                          key.name.size() > kNameOctetsMax)) {
      TallyKey rest = key;
      rest.name = {};
      rest.is_rest = true;
      return id_of(rest);
    }
    const int inserted = step(insert_name_);
    insert_name_.reset();
    if (inserted != SQLITE_DONE) return error_of(inserted);
    ++of_kind;
    ++names_in_file_;
    const int found = step(find_name_);
    if (found == SQLITE_ROW) id = find_name_.integer(0);
    find_name_.reset();
    if (found != SQLITE_ROW) return error_of(found);
  }
  if (ids_.size() >= kIdsMax) ids_.clear();
  ids_.emplace(std::move(text), id);
  return id;
}

Result<void> TallyTable::add(const Tally& tally) {
  Result<void> done;
  tally.visit([&](const TallyKey& key, const Counts& counts) {
    if (!done) return;
    const Result<std::int64_t> id = id_of(key);
    if (!id) {
      done = id.error();
      return;
    }
    add_counts_.bind(1, key.hour).bind(2, *id);
    for (std::size_t i = 0; i < counts.size(); ++i) {
      add_counts_.bind(static_cast<int>(i) + 3, static_cast<std::int64_t>(counts[i]));
    }
    done = add_counts_.run();
  });
  return done;
}

}  // namespace ekiden::events
