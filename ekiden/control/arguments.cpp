#include "ekiden/control/arguments.hpp"

#include "ekiden/base/text.hpp"

namespace ekiden::control {

namespace json = boost::json;

void Arguments::complain(std::string_view name, std::string_view takes) {
  if (problem_.empty()) problem_ = "\"" + std::string(name) + "\" takes " + std::string(takes);
}

std::string Arguments::text(std::string_view name) {
  const json::value* value = object_.if_contains(name);
  if (value == nullptr) return {};
  if (!value->is_string()) {
    complain(name, "a text");
    return {};
  }
  return std::string(std::string_view(value->as_string()));
}

std::optional<std::uint64_t> Arguments::number(std::string_view name) {
  const json::value* value = object_.if_contains(name);
  if (value == nullptr) return std::nullopt;
  // What was parsed is signed as long as it fits; a request that was never text need not be.
  if (value->is_uint64()) return value->as_uint64();
  if (value->is_int64() && value->as_int64() >= 0)
    return static_cast<std::uint64_t>(value->as_int64());
  complain(name, "a whole number");
  return std::nullopt;
}

Filter Arguments::filter() {
  const json::value* value = object_.if_contains("filter");
  if (value == nullptr) return {};
  if (!value->is_object()) {
    complain("filter", "an object");
    return {};
  }
  std::string why;
  auto filter = filter_from_json(value->as_object(), why);
  if (filter) return std::move(*filter);
  problem_ = why;
  return {};
}

std::optional<base::MessageId> Arguments::message() {
  const std::string id = text("message");
  const auto parsed = base::parse_message_id(id);
  if (!parsed && problem_.empty())
    problem_ = "\"" + base::printable(id, 60) + "\" is no message id";
  return parsed;
}

}  // namespace ekiden::control
