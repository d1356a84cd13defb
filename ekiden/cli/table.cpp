#include "ekiden/cli/table.hpp"

#include <algorithm>

#include "ekiden/base/text.hpp"

namespace ekiden::cli {

namespace {

bool is_number(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), base::is_digit);
}

/// The code point at `at`, which then stands behind it. What is no UTF-8 counts octet by octet.
char32_t next_point(const std::string& text, std::size_t& at) {
  const auto first = static_cast<unsigned char>(text[at++]);
  if (first < 0xc0) return first;
  const unsigned more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
  char32_t point = first & (0x3fU >> more);
  for (unsigned i = 0; i < more && at < text.size(); ++i) {
    const auto octet = static_cast<unsigned char>(text[at]);
    if ((octet & 0xc0) != 0x80) break;
    point = (point << 6) | (octet & 0x3fU);
    ++at;
  }
  return point;
}

struct Range {
  char32_t from, to;
};
/// Unicode's East Asian Width: W and F, blocks that are mostly so taken whole.
constexpr Range kWide[] = {
    {0x1100, 0x115f},   {0x231a, 0x231b},   {0x2e80, 0x303e},   {0x3041, 0x33ff},
    {0x3400, 0x4dbf},   {0x4e00, 0xa4cf},   {0xa960, 0xa97c},   {0xac00, 0xd7a3},
    {0xf900, 0xfaff},   {0xfe30, 0xfe6f},   {0xff00, 0xff60},   {0xffe0, 0xffe6},
    {0x1f300, 0x1f64f}, {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd}};
constexpr Range kNone[] = {{0x0300, 0x036f}, {0x200b, 0x200f}, {0x3099, 0x309a}, {0xfe00, 0xfe0f}};

std::size_t columns_of(char32_t point) {
  const auto is_in = [point](const Range& range) {
    return point >= range.from && point <= range.to;
  };
  if (std::any_of(std::begin(kNone), std::end(kNone), is_in)) return 0;
  return std::any_of(std::begin(kWide), std::end(kWide), is_in) ? 2 : 1;
}

}  // namespace

std::size_t width_of(const std::string& text) {
  std::size_t width = 0;
  for (std::size_t at = 0; at < text.size();) width += columns_of(next_point(text, at));
  return width;
}

std::string cut_to(const std::string& text, std::size_t width) {
  if (width_of(text) <= width) return text;
  if (width == 0) return {};
  std::size_t used = 0, kept = 0;
  for (std::size_t at = 0; at < text.size(); kept = at) {
    used += columns_of(next_point(text, at));
    if (used + 1 > width) break;
  }
  return text.substr(0, kept) + "…";
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
        cell = cut_to(cell, std::max<std::size_t>(columns > used ? columns - used : 0, 8));
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
