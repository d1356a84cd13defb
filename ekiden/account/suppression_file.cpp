#include "ekiden/account/suppression_file.hpp"

#include <array>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <map>
#include <utility>
#include <vector>

#include "ekiden/base/csv.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/config/units.hpp"

namespace ekiden::account {
namespace {

namespace json = boost::json;

/// Rows that are made durable together while a file is read.
constexpr std::size_t kBatch = 10'000;

enum Field : std::size_t { kAddress, kReason, kStream, kNote, kExpires, kFields };
using Row = std::array<std::string_view, kFields>;

std::optional<Field> field_named(std::string_view name) {
  static const std::map<std::string, Field, std::less<>> kNames = {{"address", kAddress},
                                                                   {"email", kAddress},
                                                                   {"e-mail", kAddress},
                                                                   {"mail", kAddress},
                                                                   {"recipient", kAddress},
                                                                   {"email address", kAddress},
                                                                   {"メールアドレス", kAddress},
                                                                   {"アドレス", kAddress},
                                                                   {"reason", kReason},
                                                                   {"理由", kReason},
                                                                   {"stream", kStream},
                                                                   {"note", kNote},
                                                                   {"備考", kNote},
                                                                   {"expires", kExpires}};
  const auto known = kNames.find(base::lowered(base::trimmed(name)));
  if (known == kNames.end()) return std::nullopt;
  return known->second;
}

/// Which column holds what; by the names in the first record, or as they come.
struct Columns {
  std::array<std::optional<std::size_t>, kFields> at;

  /// False: the record is no heading.
  bool read(const std::vector<std::string>& names) {
    Columns found;
    for (std::size_t i = 0; i < names.size(); ++i) {
      const auto field = field_named(names[i]);
      if (field && !found.at[*field]) found.at[*field] = i;
    }
    if (!found.at[kAddress]) return false;
    *this = found;
    return true;
  }
  Row row(const std::vector<std::string>& fields) const {
    Row row;
    for (std::size_t i = 0; i < kFields; ++i)
      if (at[i] && *at[i] < fields.size()) row[i] = fields[*at[i]];
    return row;
  }
};

/// One row as an entry; a sentence when it is none.
std::string read_row(const Row& row, base::Time now, Suppression& entry) {
  const auto named = [](std::string_view text, std::size_t most) {
    return "\"" + base::printable(text, most) + "\"";
  };
  std::string_view given = base::trimmed(row[kAddress]);
  // "Taro <taro@example.jp>".
  if (given.ends_with('>')) {
    const std::size_t open = given.rfind('<');
    if (open != std::string_view::npos) given = given.substr(open + 1, given.size() - open - 2);
  }
  const auto address = suppression_address(given);
  if (!address) return given.empty() ? "has no address" : named(given, 80) + " is no address";
  entry.address = *address;
  const std::string_view reason = base::trimmed(row[kReason]);
  if (!reason.empty()) {
    const auto parsed = parse_suppression_reason(base::lowered(reason));
    if (!parsed) return named(reason, 40) + " is no reason";
    entry.reason = *parsed;
  }
  const std::string_view stream = base::trimmed(row[kStream]);
  if (!stream.empty()) {
    const auto parsed = parse_suppression_stream(stream);
    if (!parsed) return named(stream, 40) + " is no stream";
    entry.stream = *parsed;
  }
  const std::string_view expires = base::trimmed(row[kExpires]);
  if (!expires.empty()) {
    const auto parsed = parse_expiry(expires, now);
    if (!parsed) return named(expires, 40) + " is neither a duration nor a day";
    entry.expires = *parsed;
  }
  const std::string_view note = base::trimmed(row[kNote]);
  if (!note.empty()) entry.note = note;
  return {};
}

/// What a list is read into: entries that become durable many at a time.
class Importer {
 public:
  Importer(Store& store, const SuppressionImport& how, const Author& author)
      : store_(store), how_(how), author_(author) {}

  Result<void> take(std::uint64_t line, const Row& row) {
    Suppression entry = how_.common;
    const std::string why = read_row(row, author_.now, entry);
    if (!why.empty()) {
      refuse(line, why);
      return {};
    }
    ++done_.rows;
    batch_.push_back(std::move(entry));
    return batch_.size() < kBatch ? Result<void>() : write();
  }
  void refuse(std::uint64_t line, const std::string& why) {
    ++done_.rows;
    ++done_.refused;
    if (how_.refused) how_.refused(line, why);
  }
  Result<SuppressionsImported> finish() {
    if (const auto written = write(); !written) return written.error();
    return done_;
  }

 private:
  Result<void> write() {
    const auto added = store_.add_suppressions(batch_, author_);
    if (!added) return added.error();
    done_.added += *added;
    batch_.clear();
    return {};
  }

  Store& store_;
  const SuppressionImport& how_;
  const Author& author_;
  SuppressionsImported done_;
  std::vector<Suppression> batch_;
};

/// One object a line. Names and texts count as in CSV.
std::string read_json_line(std::string_view line, std::map<Field, std::string>& fields) {
  if (line.size() > base::kCsvRecordOctetsMax) return "is longer than 64 KiB";
  json::parse_options options;
  options.max_depth = 4;
  json::error_code error;
  const json::value value = json::parse({line.data(), line.size()}, error, {}, options);
  if (error || !value.is_object()) return "is no JSON object";
  for (const auto& [name, text] : value.get_object()) {
    const auto field = field_named({name.data(), name.size()});
    if (!field || text.is_null()) continue;
    if (!text.is_string())
      return "\"" + base::printable({name.data(), name.size()}, 40) + "\" is no text";
    fields.emplace(*field, std::string(text.get_string()));
  }
  return {};
}

Result<void> read_json_lines(std::string_view text, Importer& importer) {
  for (std::uint64_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = base::trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty()) continue;
    std::map<Field, std::string> fields;
    const std::string why = read_json_line(line, fields);
    if (!why.empty()) {
      importer.refuse(number, why);
      continue;
    }
    Row row;
    for (const auto& [field, value] : fields) row[field] = value;
    if (const auto taken = importer.take(number, row); !taken) return taken;
  }
  return {};
}

Result<void> read_csv(std::string_view text, Importer& importer) {
  Columns columns;
  columns.at[kAddress] = 0;
  base::CsvReader reader(text);
  bool is_first = true;
  while (auto record = reader.next()) {
    if (std::exchange(is_first, false) && record->problem.empty() && columns.read(record->fields))
      continue;
    if (!record->problem.empty()) {
      importer.refuse(record->line, record->problem);
      continue;
    }
    if (const auto taken = importer.take(record->line, columns.row(record->fields)); !taken)
      return taken;
  }
  return {};
}

}  // namespace

std::optional<base::Time> parse_day(std::string_view text) {
  if (text.size() < 10 || text[4] != '-' || text[7] != '-') return std::nullopt;
  const auto year = base::parse_u64(text.substr(0, 4)), month = base::parse_u64(text.substr(5, 2)),
             day = base::parse_u64(text.substr(8, 2));
  if (!year || !month || !day) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(*year)),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) return std::nullopt;
  return base::Time(std::chrono::sys_days(date).time_since_epoch());
}

std::optional<base::Time> parse_expiry(std::string_view text, base::Time now) {
  if (text.empty() || text == "never") return base::Time{};
  if (const auto day = parse_day(text)) return *day;
  const auto duration = config::parse_duration(text);
  if (!duration || duration->count() <= 0) return std::nullopt;
  return now + *duration;
}

Result<SuppressionsImported> import_suppressions(Store& store, std::string_view text,
                                                 const SuppressionImport& how,
                                                 const Author& author) {
  Importer importer(store, how, author);
  const bool is_json = base::trimmed(text.substr(0, 64)).starts_with('{');
  const auto read = is_json ? read_json_lines(text, importer) : read_csv(text, importer);
  if (!read) return read.error();
  return importer.finish();
}

std::string suppression_csv_line(const Suppression& entry) {
  std::string line = base::format_csv_field(entry.address) + ",";
  line.append(name_of(entry.reason)).append(",");
  line += suppression_stream_word(entry.stream) + "," + base::format_rfc3339(entry.created) + ",";
  if (entry.expires != base::Time{}) line += base::format_rfc3339(entry.expires);
  return line + "," + base::format_csv_field(entry.note) + "\r\n";
}

}  // namespace ekiden::account
