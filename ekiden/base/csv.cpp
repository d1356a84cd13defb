#include "ekiden/base/csv.hpp"

#include <iconv.h>

#include <array>

#include "ekiden/base/text.hpp"

namespace ekiden::base {

std::optional<std::string> decode_list(std::string octets) {
  constexpr std::string_view kMark = "\xef\xbb\xbf";
  if (is_valid_utf8(octets)) {
    if (octets.starts_with(kMark)) octets.erase(0, kMark.size());
    return octets;
  }
  const iconv_t converter = ::iconv_open("UTF-8", "CP932");
  if (converter == reinterpret_cast<iconv_t>(-1)) return std::nullopt;
  std::string out;
  char* from = octets.data();
  std::size_t left = octets.size();
  std::array<char, 16384> block;
  bool is_fine = true;
  while (left > 0 && is_fine) {
    char* to = block.data();
    std::size_t room = block.size();
    const std::size_t done = ::iconv(converter, &from, &left, &to, &room);
    out.append(block.data(), block.size() - room);
    is_fine = done != static_cast<std::size_t>(-1) || errno == E2BIG;
  }
  ::iconv_close(converter);
  if (!is_fine) return std::nullopt;
  return out;
}

CsvReader::CsvReader(std::string_view text) : text_(text) {
  const std::string_view first = text.substr(0, text.find_first_of("\r\n"));
  if (first.find(',') == std::string_view::npos && first.find('\t') != std::string_view::npos)
    separator_ = '\t';
}

void CsvReader::eat_line_end() {
  if (at_ < text_.size() && text_[at_] == '\r') ++at_;
  if (at_ < text_.size() && text_[at_] == '\n') ++at_;
  ++line_;
}

void CsvReader::skip_line() {
  at_ = std::min(text_.find_first_of("\r\n", at_), text_.size());
  if (at_ < text_.size()) eat_line_end();
}

std::optional<CsvReader::Record> CsvReader::next() {
  while (at_ < text_.size()) {
    Record record;
    record.line = line_;
    const std::size_t begin = at_;
    const std::uint64_t begin_line = line_;
    if (!read_fields(record)) {
      at_ = begin;
      line_ = begin_line;
      record.fields.clear();
      skip_line();
      return record;
    }
    if (record.fields.size() == 1 && trimmed(record.fields.front()).empty()) continue;
    return record;
  }
  return std::nullopt;
}

bool CsvReader::read_fields(Record& record) {
  const std::size_t begin = at_;
  while (true) {
    std::string field;
    if (at_ < text_.size() && text_[at_] == '"') {
      ++at_;
      while (true) {
        if (at_ >= text_.size() || at_ - begin > kCsvRecordOctetsMax) {
          record.problem = "a quote is never closed";
          return false;
        }
        const char c = text_[at_++];
        if (c != '"') {
          if (c == '\n') ++line_;
          field += c;
        } else if (at_ < text_.size() && text_[at_] == '"') {
          field += '"';
          ++at_;
        } else {
          break;
        }
      }
      const bool ends = at_ >= text_.size() || text_[at_] == separator_ || text_[at_] == '\r' ||
                        text_[at_] == '\n';
      if (!ends) {
        record.problem = "something follows a closing quote";
        return false;
      }
    } else {
      while (at_ < text_.size() && text_[at_] != separator_ && text_[at_] != '\r' &&
             text_[at_] != '\n') {
        field += text_[at_++];
      }
    }
    if (at_ - begin > kCsvRecordOctetsMax) {
      record.problem = "is longer than 64 KiB";
      return false;
    }
    record.fields.push_back(std::move(field));
    if (at_ >= text_.size()) return true;
    if (text_[at_] == separator_) {
      ++at_;
      continue;
    }
    eat_line_end();
    return true;
  }
}

std::string format_csv_field(std::string_view field) {
  std::string out;
  if (!field.empty() && std::string_view("=+-@\t\r").find(field.front()) != std::string_view::npos)
    out = "'";
  const bool needs_quotes = field.find_first_of(",\"\r\n") != std::string_view::npos;
  if (!needs_quotes) return out.append(field);
  out.insert(0, 1, '"');
  for (const char c : field) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + '"';
}

}  // namespace ekiden::base
