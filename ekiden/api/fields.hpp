#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <initializer_list>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/api/draft.hpp"
#include "ekiden/api/store_desk.hpp"

namespace ekiden::api {

/// Items of a list in one request.
inline constexpr std::size_t kItemsMax = 1000;

/// Reads the fields of one JSON object; what is of a wrong type, and at the end what nobody asked
/// for, is a finding.
class Fields {
 public:
  Fields(const boost::json::object& object, Findings& findings, std::string base = {})
      : object_(object), findings_(findings), base_(std::move(base)) {}

  /// Nothing when it is absent or null.
  std::optional<std::string> text(std::string_view name);
  /// Absent is a finding.
  std::string required(std::string_view name);
  std::optional<std::vector<std::string>> texts(std::string_view name);
  std::optional<bool> flag(std::string_view name);
  std::optional<std::uint64_t> number(std::string_view name, std::uint64_t most);
  /// A date, Unix seconds, or a duration from `now` ("90d").
  std::optional<base::Time> instant(std::string_view name, base::Time now);
  std::optional<base::Duration> duration(std::string_view name);
  const boost::json::object* object(std::string_view name);
  /// It is there, be it null.
  bool has(std::string_view name);

  void wrong(std::string_view name, std::string_view code, Text text);
  /// Everything that was not asked for is unknown.
  void finish();

 private:
  const boost::json::value* find(std::string_view name);

  const boost::json::object& object_;
  Findings& findings_;
  std::string base_;
  std::set<std::string, std::less<>> asked_;
};

/// The body as an object, with what reads it; an absent body is an empty object where `may_lack`.
struct ReadBody {
  explicit ReadBody(const HttpRequest& request, bool may_lack = false);

  boost::json::object object;
  Findings findings;
  Fields fields;
  std::optional<Problem> problem;  ///< of the body as a whole

  /// After everything was read: what is wrong, if anything is.
  std::optional<Problem> finish();
};

/// Nothing, or the problem of a parameter that nobody knows.
std::optional<Problem> check_query(const Call& call, std::initializer_list<std::string_view> known);

/// `limit` and `cursor` of a list.
struct PageAsked {
  static constexpr std::size_t kDefault = 100, kMax = 1000;
  std::size_t limit = kDefault;
  std::string cursor;
  std::optional<Problem> problem;
};
PageAsked read_page(const Call& call);

/// A page of what is already in order by `key_of`: {"NAME": […], "next": …}.
template <class Item, class Key, class Shape>
Answer list_page(const StoreCall& on, std::string_view name, const std::vector<Item>& items,
                 Key key_of, Shape shape) {
  const PageAsked asked = read_page(on.call);
  if (asked.problem) return *asked.problem;
  boost::json::array list;
  boost::json::value next = nullptr;
  std::string last;
  for (const Item& item : items) {
    std::string key = key_of(item);
    if (!asked.cursor.empty() && key <= asked.cursor) continue;
    if (list.size() == asked.limit) {
      next = boost::json::string(last);
      break;
    }
    list.push_back(shape(item));
    last = std::move(key);
  }
  boost::json::object answer;
  answer[boost::json::string_view(name.data(), name.size())] = std::move(list);
  answer["next"] = std::move(next);
  return answer;
}
/// A number as a key that sorts like it.
std::string sortable(std::int64_t number);

}  // namespace ekiden::api
