#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/account/database.hpp"
#include "ekiden/base/log.hpp"

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

inline std::string join_list(const std::vector<std::string>& items) {
  return join_list(items, [](const std::string& item) -> const std::string& { return item; });
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

/// Every row that `select` finds, as `make` understands it, which gives nothing for one that makes
/// no sense: that is left out, and logged as `unreadable` with its first column.
template <class Row, class Make>
Result<std::vector<Row>> read_rows(Statement& select, std::string_view unreadable, Make make) {
  std::vector<Row> rows;
  while (true) {
    const auto step = select.step();
    if (!step) return step.error();
    if (*step == Statement::Step::End) return rows;
    if (auto row = make(select)) {
      rows.push_back(std::move(*row));
    } else {
      base::log::error(unreadable, {{"id", select.integer(0)}});
    }
  }
}

}  // namespace ekiden::account
