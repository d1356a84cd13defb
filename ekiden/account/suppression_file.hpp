#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "ekiden/account/store.hpp"
#include "ekiden/account/suppression.hpp"

namespace ekiden::account {

/// "2027-01-31" or "2027-01-31T…": the first instant of that day in UTC.
std::optional<base::Time> parse_day(std::string_view text);

/// A duration from `now`, or a day; the epoch for "" and "never".
std::optional<base::Time> parse_expiry(std::string_view text, base::Time now);

/// How a list of addresses is to be taken in.
struct SuppressionImport {
  Suppression common;  ///< what holds where a row says nothing else
  /// Told of every row that is left out.
  std::function<void(std::uint64_t line, const std::string& why)> refused;
};

struct SuppressionsImported {
  std::uint64_t rows = 0, added = 0, refused = 0;
  std::uint64_t known() const { return rows - refused - added; }
};

/// Reads a list in UTF-8: CSV or tab-separated values (base/csv.hpp), whose columns go by their
/// names when the first row has some, or JSON lines where the first line begins with "{". Rows are
/// durable ten thousand at a time; one that cannot be read is left out.
/// Errors: those of Store::add_suppressions; what was added before stays.
Result<SuppressionsImported> import_suppressions(Store& store, std::string_view text,
                                                 const SuppressionImport& how,
                                                 const Author& author);

inline constexpr std::string_view kSuppressionCsvHeading =
    "address,reason,stream,created,expires,note\r\n";
/// One line of a file that import_suppressions reads back.
std::string suppression_csv_line(const Suppression& entry);

}  // namespace ekiden::account
