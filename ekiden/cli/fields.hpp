#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <string_view>

/// Reading the node's JSON for people. A field that is missing is empty or zero.
namespace ekiden::cli {

std::string text_of(const boost::json::object& object, std::string_view key);
std::uint64_t number_of(const boost::json::object& object, std::string_view key);
/// "06:12:30" today, "Nov 21 06:12" else; local time.
std::string short_time(const boost::json::object& object, std::string_view key);
/// "12s", "3m", "5h", "2d" until or since then.
std::string distance(const boost::json::object& object, std::string_view key);
/// "10.0 KiB".
std::string format_octets(std::uint64_t octets);

}  // namespace ekiden::cli
