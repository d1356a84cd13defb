#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace ekiden::account {

/// Lists in a column of the control store: members joined by spaces, which no member has.
template <class Items, class Text>
std::string join_list(const Items& items, Text text) {
  std::string out;
  for (const auto& item : items) {
    if (!out.empty()) out += ' ';
    out += text(item);
  }
  return out;
}

inline std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> items;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    if (end > 0) items.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return items;
}

}  // namespace ekiden::account
