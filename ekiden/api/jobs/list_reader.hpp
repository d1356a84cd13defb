#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ekiden/base/csv.hpp"
#include "ekiden/bulk/store.hpp"

namespace ekiden::api::jobs {

enum class ListFormat : std::uint8_t { Csv, JsonLines };

/// Recipients out of a file, some at a time: CSV whose first line names the columns, one of them
/// `email` (or `to`, `address`), perhaps `name`, every other a value of the merge data; or one JSON
/// object in each line, as in a request.
///
/// Sharing: one thread at a time.
class ListReader {
 public:
  /// Text as it came: UTF-8, with a byte order mark or none, or Shift_JIS.
  ListReader(std::string octets, ListFormat format);

  /// Why nothing of it can be read; empty: it can.
  const std::string& problem() const { return problem_; }

  struct Some {
    std::vector<bulk::Row> rows;
    std::vector<std::uint64_t> lines;  ///< of `rows`
    std::vector<bulk::ImportError> errors;
    std::uint64_t looked_at = 0;
    bool is_end = false;
  };
  /// The next records, so many at most.
  Some next(std::size_t count_max);

 private:
  void read_csv(Some& some);
  void read_json(Some& some);

  std::unique_ptr<const std::string> text_;  ///< `csv_` looks into it, wherever this is moved
  ListFormat format_;
  std::string problem_;
  std::optional<base::CsvReader> csv_;
  std::vector<std::string> columns_;
  std::size_t address_column_ = 0;
  std::size_t at_ = 0;
  std::uint64_t line_ = 1;
};

/// All of a file into a draft, some records in each step; on the pool. `refused` has the errors'
/// sum. Errors: the store's.
class ListImport {
 public:
  ListImport(bulk::Store& store, std::int64_t job, ListReader reader)
      : store_(store), job_(job), reader_(std::move(reader)) {}

  Result<std::int64_t> begin(base::Time now);
  enum class Step : std::uint8_t { More, End, NoDraft };
  Result<Step> step();
  static constexpr std::size_t kRecordsAtOnce = 1000;

 private:
  bulk::Store& store_;
  const std::int64_t job_;
  ListReader reader_;
  std::int64_t import_ = 0;
};

}  // namespace ekiden::api::jobs
