#pragma once

#include <boost/json/object.hpp>
#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>

/// What `ekiden top` shows, as a function of what the relay said.
namespace ekiden::cli {

/// What the rows are of.
struct TopKind {
  char key;  ///< switches to it
  const char* name;
  const char* heading;
  bool is_counted;  ///< the queue's summary knows it
};
inline constexpr TopKind kTopKinds[] = {{'s', "site", "SITE", true},
                                        {'p', "provider", "PROVIDER", false},
                                        {'o', "source", "SOURCE", false},
                                        {'t', "tenant", "TENANT", true}};
const TopKind* find_top_kind(std::string_view name);

/// Which rows come first.
struct TopOrder {
  char key;
  const char* name;
};
inline constexpr TopOrder kTopOrders[] = {
    {'w', "waiting"},   {'d', "delivered"},   {'f', "deferred"}, {'b', "bounced"},
    {'x', "throttled"}, {'c', "connections"}, {'n', "name"}};
const TopOrder* find_top_order(std::string_view name);

/// One look at the relay.
struct TopLook {
  std::chrono::steady_clock::time_point at{};
  boost::json::object status;
  boost::json::object summary;                      ///< empty where the queue is not counted by it
  std::map<std::string, boost::json::object> rows;  ///< by name
};

struct TopView {
  const TopKind* kind = &kTopKinds[0];
  const TopOrder* order = &kTopOrders[0];
  std::string filter;            ///< in a name or in what is said, whatever the case; empty: all
  bool is_typing = false;        ///< the filter is being typed
  bool has_keys = false;         ///< a line says which there are
  std::size_t columns = 100000;  ///< no line is longer
  std::size_t lines = 0;         ///< of the terminal; 0: no end, and twenty rows
};

/// Rates are since `before`; without it there are none. Octets of peers come out escaped.
std::string format_top(const TopLook& look, const TopLook* before, const TopView& view);

/// What a key does: to the view, or it is the end.
enum class TopStep : std::uint8_t { Nothing, Redraw, LookAgain, End };
TopStep press(TopView& view, char key);

}  // namespace ekiden::cli
