#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ekiden::base {

/// Octets of one record; what is longer is refused as a whole.
inline constexpr std::size_t kCsvRecordOctetsMax = 64 * 1024;

/// Text in UTF-8 without its byte order mark. What is no UTF-8 is taken for Shift_JIS as Windows
/// writes it (CP932), in which spreadsheets of Japan save. Nothing when it is neither.
std::optional<std::string> decode_list(std::string octets);

/// Records of a CSV file (RFC 4180), one after the other; lines may end with CRLF, LF or CR.
/// Separated by commas, or by tabs where the first line has tabs and no comma.
///
/// A quote that never closes spoils its own line only: reading goes on with the next one.
class CsvReader {
 public:
  explicit CsvReader(std::string_view text);

  struct Record {
    std::uint64_t line = 0;  ///< that it begins on, from 1
    std::vector<std::string> fields;
    std::string problem;  ///< why it cannot be read; then it has no fields
  };
  /// Nothing at the end. Empty lines are passed over.
  std::optional<Record> next();

 private:
  /// False: the quotes are broken.
  bool read_fields(Record& record);
  void skip_line();
  void eat_line_end();

  std::string_view text_;
  std::size_t at_ = 0;
  std::uint64_t line_ = 1;
  char separator_ = ',';
};

/// A field as CSV, quoted where it must be. What a spreadsheet would take for a formula gets an
/// apostrophe in front.
std::string format_csv_field(std::string_view field);

}  // namespace ekiden::base
