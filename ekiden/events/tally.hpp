#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>

#include "ekiden/events/codec.hpp"
#include "ekiden/events/sqlite.hpp"

namespace ekiden::events {

/// What events are counted by, besides tenant and hour. The numbers are on disk.
enum class Dimension : std::uint8_t {
  All = 0,  ///< every event of the tenant, once
  Stream = 1,
  Tag = 2,     ///< once for each of the message's first four
  Domain = 3,  ///< of the recipient
  Provider = 4,
  Source = 5,
};
std::string_view dimension_name(Dimension dimension);  ///< "stream", …; "all"
std::optional<Dimension> parse_dimension(std::string_view name);

/// Events of each kind, by its number.
using Counts = std::array<std::uint64_t, 16>;
std::uint64_t sum_of(const Counts& counts);
void add_to(Counts& counts, const Counts& more);

/// One cell of a statistic.
struct TallyKey {
  std::string_view tenant;
  Dimension dimension = Dimension::All;
  std::string_view name;  ///< empty with All, and for the rest of a dimension
  bool is_rest = false;   ///< of names past the limit
  int hour = 0;           ///< of the day, UTC
};

/// Counts of a few events in memory.
class Tally {
 public:
  void add(const KeyView& keys);
  void visit(const std::function<void(const TallyKey&, const Counts&)>& see) const;
  void clear() { cells_.clear(); }

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const;
  };
  void add(std::string_view tenant, Dimension dimension, std::string_view name, int hour,
           std::size_t kind);

  std::unordered_map<std::string, Counts, Hash, std::equal_to<>> cells_;
  std::string key_;
};

/// The counts of one day's file, of all events that have an index; those of the others are
/// counted where they are read.
///
///   names   what is counted: tenant, dimension, name
///   counts  hour and name, then the events of each kind
///
/// Of one tenant and dimension the first kNamesMax names of a day are told apart, and the rest are
/// counted together; of all tenants kNamesInFileMax. What a tenant sends much to comes early.
///
/// Sharing: the event writer's thread.
class TallyTable {
 public:
  static constexpr std::size_t kNamesMax = 1000;
  static constexpr std::size_t kNamesInFileMax = 200'000;
  /// Longer names are among the rest.
  static constexpr std::size_t kNameOctetsMax = 255;

  static const char* create_sql();
  static Result<TallyTable> open(Database& database);

  /// In the transaction that writes their index.
  Result<void> add(const Tally& tally);
  /// Another connection has changed the file.
  void forget_names();

 private:
  Result<std::int64_t> id_of(const TallyKey& key);
  Result<void> count_names();

  Statement find_name_, insert_name_, names_by_kind_, add_counts_;
  std::unordered_map<std::string, std::int64_t> ids_;
  std::map<std::pair<std::string, int>, std::size_t> names_;  ///< by tenant and dimension
  std::size_t names_in_file_ = 0;
  bool are_names_counted_ = false;
};

}  // namespace ekiden::events
