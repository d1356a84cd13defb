#include "ekiden/cli/table.hpp"

#include <algorithm>

#include "ekiden/base/text.hpp"

namespace ekiden::cli {

namespace {

bool is_number(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), base::is_digit);
}

/// At most `width` columns of the text, with an ellipsis where something was cut.
std::string cut(const std::string& text, std::size_t width) {
  if (width_of(text) <= width) return text;
  std::size_t columns = 0, at = 0;
  while (at < text.size() && columns + 1 < width) {
    ++at;
    while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80) ++at;
    ++columns;
  }
  return text.substr(0, at) + "…";
}

}  // namespace

std::size_t width_of(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

std::string Table::format(std::size_t columns) const {
  const std::size_t count = rows_.front().size();
  std::vector<std::size_t> widths(count);
  std::vector<bool> is_right(count, rows_.size() > 1);
  for (std::size_t r = 0; r < rows_.size(); ++r) {
    for (std::size_t c = 0; c < count; ++c) {
      widths[c] = std::max(widths[c], width_of(rows_[r][c]));
      if (r > 0 && !rows_[r][c].empty() && !is_number(rows_[r][c])) is_right[c] = false;
    }
  }
  std::string out;
  for (const auto& row : rows_) {
    std::string line;
    std::size_t used = 0;
    for (std::size_t c = 0; c < count; ++c) {
      const bool is_last = c + 1 == count;
      std::string cell = row[c];
      if (is_last && used + widths[c] > columns) {
        cell = cut(cell, std::max<std::size_t>(columns > used ? columns - used : 0, 8));
      }
      const std::string padding(widths[c] - std::min(widths[c], width_of(cell)), ' ');
      line += is_right[c] ? padding + cell : is_last ? cell : cell + padding;
      if (!is_last) line += "  ";
      used += widths[c] + 2;
    }
    while (line.ends_with(' ')) line.pop_back();
    out += line + "\n";
  }
  return out;
}

}  // namespace ekiden::cli
