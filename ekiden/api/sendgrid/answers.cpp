// What the routes beside mail/send have in common.
#include <boost/json/serialize.hpp>

#include "ekiden/api/json_fields.hpp"
#include "ekiden/api/sendgrid/routes.hpp"
#include "ekiden/base/text.hpp"

namespace ekiden::api::sendgrid {

namespace json = boost::json;

namespace {

/// A client that asks for more pages than that wants the export of /v1.
constexpr std::size_t kOffsetMax = 100'000;
constexpr std::size_t kLimitMax = 1000;
constexpr std::size_t kAddressesMax = 1000;

}  // namespace

HttpResponse json_list(unsigned status, const json::array& array) {
  HttpResponse response;
  response.status = status;
  response.content_type = "application/json";
  response.body = json::serialize(array) + "\n";
  return response;
}

Problem bad_request(std::string field, Text text) {
  return invalid_request({{"/" + std::move(field), "bad_value", std::move(text)}});
}

Window read_window(const Call& call) {
  Window window;
  const auto read = [&](std::string_view name, std::size_t most, std::size_t& into) {
    const auto given = call.query.find(name);
    if (!given) return;
    const auto number = base::parse_u64(*given);
    if (!number || *number > most) {
      const std::string max = std::to_string(most);
      window.problem = bad_request(
          std::string(name), {"a number up to " + max + " is required", max + "までの数です"});
      return;
    }
    into = *number;
  };
  read("limit", kLimitMax, window.limit);
  read("offset", kOffsetMax, window.offset);
  if (window.limit == 0) window.limit = 500;
  return window;
}

std::vector<std::string> read_addresses(const json::object& body, std::string_view name) {
  std::vector<std::string> addresses;
  const json::array* list = array_of(body, name);
  for (std::size_t i = 0; list != nullptr && i < list->size() && i < kAddressesMax; ++i)
    addresses.push_back(text_of((*list)[i]));
  return addresses;
}

std::int64_t unix_seconds(base::Time time) {
  return base::to_unix_us(time) / 1'000'000;
}

}  // namespace ekiden::api::sendgrid
