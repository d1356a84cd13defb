#pragma once

#include <string>
#include <vector>

namespace ekiden::cli {

/// Rows under a heading, columns aligned. On a terminal too narrow the last column is cut; numbers
/// stand to the right.
class Table {
 public:
  explicit Table(std::vector<std::string> heading) : rows_{std::move(heading)} {}
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  bool is_empty() const { return rows_.size() == 1; }
  std::string format(std::size_t columns) const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

/// How many columns of a terminal UTF-8 text takes: two for kana, kanji, hangul, full-width forms
/// and emoji, none for marks that combine, one for everything else.
std::size_t width_of(const std::string& text);
/// At most so many columns of the text, with an ellipsis where something was cut.
std::string cut_to(const std::string& text, std::size_t width);

}  // namespace ekiden::cli
