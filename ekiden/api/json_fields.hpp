#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <string>
#include <string_view>

namespace ekiden::api {

/// Readers for the JSON of other services, which are forgiving: what is absent, null or of another
/// type reads as empty. What matters is checked afterwards.
inline std::string text_of(const boost::json::object& object, std::string_view name) {
  const auto* value = object.if_contains(boost::json::string_view(name.data(), name.size()));
  if (value == nullptr || !value->is_string()) return {};
  return {value->get_string().data(), value->get_string().size()};
}
inline const boost::json::object* object_of(const boost::json::object& object,
                                            std::string_view name) {
  const auto* value = object.if_contains(boost::json::string_view(name.data(), name.size()));
  return value == nullptr ? nullptr : value->if_object();
}
inline const boost::json::array* array_of(const boost::json::object& object,
                                          std::string_view name) {
  const auto* value = object.if_contains(boost::json::string_view(name.data(), name.size()));
  return value == nullptr ? nullptr : value->if_array();
}
inline std::string text_of(const boost::json::value& value) {
  if (value.is_string()) return {value.get_string().data(), value.get_string().size()};
  return value.is_null() ? std::string() : boost::json::serialize(value);
}

/// Every `from` in `text` as `to`.
inline void replace_all(std::string& text, std::string_view from, std::string_view to) {
  if (from.empty()) return;
  std::string out;
  std::size_t begin = 0;
  for (std::size_t at; (at = text.find(from, begin)) != std::string::npos;
       begin = at + from.size()) {
    out.append(text, begin, at - begin);
    out += to;
  }
  if (begin == 0) return;
  out.append(text, begin);
  text = std::move(out);
}

}  // namespace ekiden::api
