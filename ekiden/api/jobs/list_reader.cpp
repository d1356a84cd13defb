#include "ekiden/api/jobs/list_reader.hpp"

#include <algorithm>

#include "ekiden/api/jobs/content.hpp"
#include "ekiden/api/strict_json.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/bulk/job_id.hpp"

namespace ekiden::api::jobs {
namespace {

namespace json = boost::json;

constexpr std::size_t kColumnsMax = 200;
constexpr std::size_t kShownOctetsMax = 100;

bool is_address_column(std::string_view name) {
  const std::string lower = base::lowered(name);
  return lower == "email" || lower == "to" || lower == "address" || lower == "mail";
}

void add_error(std::uint64_t line, std::string_view address, const FieldProblem& problem,
               ListReader::Some& some) {
  some.errors.push_back(
      {line, base::printable(address, kShownOctetsMax), problem.code, problem.text.english});
}

}  // namespace

ListReader::ListReader(std::string octets, ListFormat format) : format_(format) {
  std::optional<std::string> text = base::decode_list(std::move(octets));
  if (!text) {
    problem_ = "it is neither UTF-8 nor Shift_JIS";
    return;
  }
  text_ = std::make_unique<const std::string>(std::move(*text));
  if (format_ == ListFormat::JsonLines) return;
  csv_.emplace(*text_);
  const std::optional<base::CsvReader::Record> head = csv_->next();
  if (!head || !head->problem.empty()) {
    problem_ = head ? "its first line " + head->problem : "it is empty";
    return;
  }
  for (const std::string& name : head->fields) columns_.emplace_back(base::trimmed(name));
  if (columns_.size() > kColumnsMax) problem_ = "it has more than 200 columns";
  const auto found = std::find_if(columns_.begin(), columns_.end(), is_address_column);
  if (found == columns_.end()) problem_ = "its first line names no column email";
  address_column_ = static_cast<std::size_t>(found - columns_.begin());
  for (std::size_t i = 0; i < columns_.size(); ++i)
    if (std::find(columns_.begin(), columns_.begin() + static_cast<std::ptrdiff_t>(i),
                  columns_[i]) != columns_.begin() + static_cast<std::ptrdiff_t>(i))
      problem_ = "its first line names column \"" + base::printable(columns_[i], 40) + "\" twice";
}

ListReader::Some ListReader::next(std::size_t count_max) {
  Some some;
  while (!some.is_end && some.looked_at < count_max && problem_.empty())
    format_ == ListFormat::Csv ? read_csv(some) : read_json(some);
  some.is_end = some.is_end || !problem_.empty();
  return some;
}

void ListReader::read_csv(Some& some) {
  std::optional<base::CsvReader::Record> record = csv_->next();
  if (!record) {
    some.is_end = true;
    return;
  }
  ++some.looked_at;
  if (!record->problem.empty()) {
    some.errors.push_back({record->line, {}, "bad_csv", record->problem});
    return;
  }
  std::vector<std::string>& fields = record->fields;
  const std::string address(address_column_ < fields.size() ? base::trimmed(fields[address_column_])
                                                            : "");
  if (fields.size() > columns_.size()) {
    some.errors.push_back({record->line, base::printable(address, kShownOctetsMax), "bad_csv",
                           "has " + std::to_string(fields.size()) + " fields, the first line " +
                               std::to_string(columns_.size())});
    return;
  }
  std::string name;
  json::object data;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (i == address_column_ || columns_[i].empty()) continue;
    if (base::equals_ignoring_case(columns_[i], "name")) name = fields[i];
    data[columns_[i]] = json::string(fields[i]);
  }
  Findings findings;
  std::optional<bulk::Row> row = make_row(address, name, std::move(data), {}, {}, findings);
  if (row) {
    some.rows.push_back(std::move(*row));
    some.lines.push_back(record->line);
  } else {
    add_error(record->line, address, findings.take().front(), some);
  }
}

void ListReader::read_json(Some& some) {
  const std::string_view text = *text_;
  if (at_ >= text.size()) {
    some.is_end = true;
    return;
  }
  const std::size_t end = std::min(text.find('\n', at_), text.size());
  const std::string_view line = base::trimmed(text.substr(at_, end - at_));
  at_ = std::min(end + 1, text.size());
  const std::uint64_t number = line_++;
  if (line.empty()) return;
  ++some.looked_at;
  Text why;
  const std::optional<json::value> value =
      line.size() > base::kCsvRecordOctetsMax ? std::nullopt : parse_json(line, why);
  if (!value || !value->is_object()) {
    if (why.english.empty()) why.english = value ? "is no JSON object" : "is longer than 64 KiB";
    some.errors.push_back({number, {}, "bad_json", why.english});
    return;
  }
  Findings findings;
  std::optional<bulk::Row> row = read_row(value->get_object(), {}, findings);
  if (row && findings.is_empty()) {
    some.rows.push_back(std::move(*row));
    some.lines.push_back(number);
    return;
  }
  const std::vector<FieldProblem> found = findings.take();
  const json::value* to = value->get_object().if_contains("to");
  add_error(number,
            to != nullptr && to->is_string()
                ? std::string_view(to->get_string().data(), to->get_string().size())
                : std::string_view(),
            found.front(), some);
}

Result<std::int64_t> ListImport::begin(base::Time now) {
  Result<std::int64_t> import = store_.begin_import(job_, now);
  if (import) import_ = *import;
  return import;
}

Result<ListImport::Step> ListImport::step() {
  ListReader::Some some = reader_.next(kRecordsAtOnce);
  const Result<bulk::Store::AddedRows> added = store_.add_rows(job_, import_, some.rows);
  if (!added) return added.error();
  // It was committed or deleted meanwhile: what is left of the file is not for it.
  if (!added->is_draft) return Step::NoDraft;
  const auto leave_out = [&](const std::vector<std::size_t>& places, const char* code,
                             const char* text) {
    for (const std::size_t at : places)
      some.errors.push_back(
          {some.lines[at], base::printable(some.rows[at].address, kShownOctetsMax), code, text});
  };
  leave_out(added->known, "duplicate", "this address is in the job already");
  leave_out(added->over, "too_many", "a job has at most 1000000 recipients");
  const Result<void> noted =
      store_.note_import(import_, added->taken, some.looked_at, some.errors, some.is_end);
  if (!noted) return noted.error();
  return some.is_end ? Step::End : Step::More;
}

}  // namespace ekiden::api::jobs
