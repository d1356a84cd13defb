#include "ekiden/cli/top_screen.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <vector>

#include "ekiden/base/text.hpp"
#include "ekiden/cli/fields.hpp"
#include "ekiden/cli/keyboard.hpp"
#include "ekiden/cli/table.hpp"

namespace ekiden::cli {

namespace json = boost::json;

namespace {

constexpr std::size_t kRowsMax = 20;  ///< where the terminal does not say
constexpr std::size_t kFilterOctetsMax = 100;
/// What is left of a name on a narrow terminal, and of the last column before others go.
constexpr std::size_t kNameColumnsLeast = 12, kSaidColumnsLeast = 20;

/// Counts between two looks, as "12/s".
class Rates {
 public:
  Rates(const TopLook& now, const TopLook* before)
      : seconds_(before == nullptr ? 0
                                   : std::chrono::duration<double>(now.at - before->at).count()) {}

  std::string of(const json::object& now, const json::object* before, const char* key) const {
    if (seconds_ <= 0) return "-";
    return std::to_string(static_cast<std::uint64_t>(value(now, before, key) + 0.5)) + "/s";
  }
  /// Without two looks: the count itself, which orders rows as well.
  double value(const json::object& now, const json::object* before, const char* key) const {
    const std::uint64_t there = number_of(now, key);
    if (seconds_ <= 0) return static_cast<double>(there);
    const std::uint64_t then = before == nullptr ? 0 : number_of(*before, key);
    return static_cast<double>(there > then ? there - then : 0) / seconds_;
  }

 private:
  double seconds_;
};

struct Row {
  std::string name;
  json::object traffic, group;         ///< what left, what waits
  const json::object* then = nullptr;  ///< its traffic at the look before
  double weight = 0;                   ///< the heaviest comes first
  std::string said;

  std::uint64_t waiting(const char* key) const {
    return number_of(group.empty() ? traffic : group, key);
  }
  std::uint64_t queued() const {
    return group.empty() ? number_of(traffic, "ready") : number_of(group, "queued");
  }
  std::uint64_t connections() const {
    return std::max(number_of(traffic, "connections"), number_of(group, "connections"));
  }
};

/// The limits that hold, the queue's state, the last reply that was no 2xx.
std::string words_of(const Row& row) {
  std::string said;
  const auto* const holds = row.traffic.if_contains("holds");
  if (holds != nullptr && !holds->as_array().empty()) {
    const json::array& all = holds->as_array();
    said = std::string(all.front().as_string());
    if (all.size() > 1) said += " (+" + std::to_string(all.size() - 1) + ")";
  }
  if (said.empty()) said = text_of(row.group, "state");
  if (const std::string reply = text_of(row.traffic, "last_reply"); !reply.empty())
    said += (said.empty() ? "" : "; ") + reply;
  return base::printable(said);
}

bool holds(const std::string& text, const std::string& wanted) {
  return base::lowered(text).find(base::lowered(wanted)) != std::string::npos;
}

std::vector<Row> rows_of(const TopLook& look, const TopLook* before, const TopView& view) {
  std::map<std::string, json::object> groups;
  if (const auto* const summary = look.summary.if_contains("groups"); summary != nullptr)
    for (const auto& value : summary->as_array())
      groups[text_of(value.as_object(), "name")] = value.as_object();
  std::map<std::string, Row> rows;
  for (const auto& [name, traffic] : look.rows) rows[name].traffic = traffic;
  for (const auto& [name, group] : groups) rows[name].group = group;
  const Rates rates(look, before);
  std::vector<Row> shown;
  for (auto& [name, row] : rows) {
    row.name = base::printable(name);
    row.said = words_of(row);
    if (!view.filter.empty() && !holds(row.name, view.filter) && !holds(row.said, view.filter))
      continue;
    if (before != nullptr) {
      const auto then = before->rows.find(name);
      if (then != before->rows.end()) row.then = &then->second;
    }
    switch (view.order->key) {
      case 'w':
        row.weight = static_cast<double>(row.queued());
        break;
      case 'c':
        row.weight = static_cast<double>(row.connections());
        break;
      case 'n':
        break;
      default:
        row.weight = rates.value(row.traffic, row.then, view.order->name);
    }
    shown.push_back(std::move(row));
  }
  // Of those that are alike, who delivers most now comes first.
  std::stable_sort(shown.begin(), shown.end(), [&](const Row& a, const Row& b) {
    if (a.weight != b.weight) return a.weight > b.weight;
    if (view.order->key == 'n') return a.name < b.name;
    const double one = rates.value(a.traffic, a.then, "delivered");
    const double other = rates.value(b.traffic, b.then, "delivered");
    return one != other ? one > other : a.name < b.name;
  });
  return shown;
}

std::string heading(const TopLook& look, const TopLook* before) {
  const json::object& status = look.status;
  const json::object* const then = before == nullptr ? nullptr : &before->status;
  const Rates rates(look, before);
  std::string out = text_of(status, "hostname") + "  ekiden " + text_of(status, "version") +
                    "  up " + distance(status, "started") + "  " +
                    std::to_string(number_of(status, "workers")) + " workers\n";
  out += "sessions " + std::to_string(number_of(status, "sessions")) + "  connections " +
         std::to_string(number_of(status, "connections")) + "  memory " +
         format_octets(number_of(status, "memory_octets")) + "  spool " +
         format_octets(number_of(status, "disk_octets")) + "\n";
  out += "accepted " + rates.of(status, then, "accepted") + "  delivered " +
         rates.of(status, then, "delivered") + "  deferred " + rates.of(status, then, "deferred") +
         "  bounced " + rates.of(status, then, "bounced") + "\n";
  if (const auto* const alerts = status.if_contains("alerts"); alerts != nullptr)
    for (const auto& alert : alerts->as_array())
      out += "! " + base::printable(std::string_view(alert.as_string())) + "\n";
  return out;
}

/// A column, and how soon it goes on a narrow terminal: 0 never.
struct Column {
  std::string title;
  unsigned goes = 0;
  std::vector<std::string> cells;
  std::size_t width() const {
    std::size_t most = width_of(title);
    for (const std::string& cell : cells) most = std::max(most, width_of(cell));
    return most;
  }
};

/// Drops columns, then shortens names, until the rest has room.
void fit(std::vector<Column>& columns, std::size_t room) {
  const auto needed = [&] {
    std::size_t sum = kSaidColumnsLeast;
    for (std::size_t i = 0; i + 1 < columns.size(); ++i) sum += columns[i].width() + 2;
    return sum;
  };
  while (needed() > room) {
    const auto first = std::max_element(columns.begin(), columns.end(),
                                        [](auto& a, auto& b) { return a.goes < b.goes; });
    // Names may take half of the room before a column goes for them.
    const std::size_t name = columns.front().width();
    if (name > std::max(kNameColumnsLeast, room / 2) || first->goes == 0) {
      if (name <= kNameColumnsLeast) break;
      const std::size_t over = needed() - room;
      const std::size_t least =
          first->goes == 0 ? kNameColumnsLeast : std::max(kNameColumnsLeast, room / 2);
      const std::size_t left = std::max(least, name > over ? name - over : 0);
      for (std::string& cell : columns.front().cells) cell = cut_to(cell, left);
      continue;
    }
    columns.erase(first);
  }
}

std::string format_rows(const std::vector<Row>& rows, std::size_t count, const Rates& rates,
                        const TopView& view) {
  std::vector<Column> columns;
  const auto add = [&](const char* title, unsigned goes, const auto& cell_of) {
    Column column{title, goes, {}};
    for (std::size_t i = 0; i < count; ++i) column.cells.push_back(cell_of(rows[i]));
    columns.push_back(std::move(column));
  };
  const auto number = [](const char* key) {
    return [key](const Row& row) { return std::to_string(row.waiting(key)); };
  };
  const auto rate = [&](const char* key) {
    return [&rates, key](const Row& row) { return rates.of(row.traffic, row.then, key); };
  };
  add(view.kind->heading, 0, [](const Row& row) { return row.name; });
  if (view.kind->is_counted)
    add("QUEUED", 0, [](const Row& row) { return std::to_string(row.queued()); });
  add("READY", view.kind->is_counted ? 3 : 0, number("ready"));
  add("IN FLIGHT", 6, number("in_flight"));
  add("CONNECTIONS", 5, [](const Row& row) { return std::to_string(row.connections()); });
  add("DELIVERED", 0, rate("delivered"));
  add("DEFERRED", 1, rate("deferred"));
  add("BOUNCED", 2, rate("bounced"));
  add("THROTTLED", 4, rate("throttled"));
  add("LIMITS AND THE LAST REPLY", 0, [](const Row& row) { return row.said; });
  fit(columns, view.columns);
  std::vector<std::string> titles;
  for (const Column& column : columns) titles.push_back(column.title);
  Table table(std::move(titles));
  for (std::size_t i = 0; i < count; ++i) {
    std::vector<std::string> cells;
    for (const Column& column : columns) cells.push_back(column.cells[i]);
    table.add(std::move(cells));
  }
  return table.format(view.columns);
}

/// No line is longer than the terminal is wide, and none is past its end.
std::string clipped(const std::string& text, const TopView& view) {
  std::string out;
  std::size_t lines = 0;
  for (std::size_t at = 0; at < text.size(); ++lines) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    if (view.lines != 0 && lines >= view.lines) break;
    if (lines > 0) out += '\n';
    out += cut_to(text.substr(at, end - at), view.columns);
    at = end + 1;
  }
  // A line end in the last line would move everything up.
  return view.lines == 0 ? out + "\n" : out;
}

std::string foot(const TopView& view, std::size_t shown, std::size_t all) {
  std::string line;
  if (shown < all) line = std::to_string(shown) + " of " + std::to_string(all) + " rows  ";
  if (view.is_typing) return line + "filter: " + view.filter + "_  (Enter: done, Esc: none)";
  if (!view.filter.empty()) line += "filter: " + base::printable(view.filter) + "  ";
  if (!view.has_keys) return line;
  line += "by " + std::string(view.order->name) + "  /filter  q quit  ";
  for (const TopKind& kind : kTopKinds) line += std::string(1, kind.key) + " " + kind.name + "  ";
  line += "order:";
  for (const TopOrder& order : kTopOrders) line += std::string(" ") + order.key + " " + order.name;
  return line;
}

}  // namespace

const TopKind* find_top_kind(std::string_view name) {
  const auto* const found = std::find_if(std::begin(kTopKinds), std::end(kTopKinds),
                                         [&](const TopKind& kind) { return name == kind.name; });
  return found == std::end(kTopKinds) ? nullptr : found;
}

const TopOrder* find_top_order(std::string_view name) {
  const auto* const found = std::find_if(std::begin(kTopOrders), std::end(kTopOrders),
                                         [&](const TopOrder& order) { return name == order.name; });
  return found == std::end(kTopOrders) ? nullptr : found;
}

std::string format_top(const TopLook& look, const TopLook* before, const TopView& view) {
  const std::vector<Row> rows = rows_of(look, before, view);
  const std::string above = heading(look, before) + "\n";
  // Above the rows: an empty line and their titles; below: one line.
  const auto taken = static_cast<std::size_t>(std::count(above.begin(), above.end(), '\n')) + 2;
  std::size_t room = kRowsMax;
  if (view.lines != 0) room = view.lines > taken ? view.lines - taken : 0;
  const std::size_t count = std::min(rows.size(), room);
  std::string text = above + format_rows(rows, count, Rates(look, before), view);
  text += foot(view, count, rows.size());
  return clipped(text, view);
}

TopStep press(TopView& view, char key) {
  if (key == Keyboard::kInterrupt) return TopStep::End;
  if (view.is_typing) {
    const auto octet = static_cast<unsigned char>(key);
    if (key == '\r' || key == '\n') {
      view.is_typing = false;
    } else if (key == '\033') {
      view.is_typing = false;
      view.filter.clear();
    } else if (key == '\b' || key == '\x7f') {
      // One character, however many octets it has.
      while (!view.filter.empty() &&
             (static_cast<unsigned char>(view.filter.back()) & 0xc0) == 0x80)
        view.filter.pop_back();
      if (!view.filter.empty()) view.filter.pop_back();
    } else if (octet >= 0x20 && view.filter.size() < kFilterOctetsMax) {
      view.filter += key;
    }
    return TopStep::Redraw;
  }
  if (key == 'q') return TopStep::End;
  if (key == '/') {
    view.is_typing = true;
    return TopStep::Redraw;
  }
  for (const TopOrder& order : kTopOrders) {
    if (order.key != key) continue;
    view.order = &order;
    return TopStep::Redraw;
  }
  for (const TopKind& kind : kTopKinds) {
    if (kind.key != key || view.kind == &kind) continue;
    view.kind = &kind;
    return TopStep::LookAgain;
  }
  return TopStep::Nothing;
}

}  // namespace ekiden::cli
