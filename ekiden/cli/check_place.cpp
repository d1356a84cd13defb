#include "ekiden/cli/check_place.hpp"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>

namespace ekiden::cli {

namespace json = boost::json;

namespace {

/// A number counts as its digits: {"now": 1700000000}.
std::string text_of_value(const json::value& value) {
  if (value.is_string()) return std::string(value.get_string());
  return json::serialize(value);
}

}  // namespace

std::optional<std::string> find_text(const CheckRequest& request, std::string_view key) {
  const json::value* value = request.if_contains(key);
  if (value == nullptr || value->is_null()) return std::nullopt;
  if (!value->is_array()) return text_of_value(*value);
  if (value->get_array().empty()) return std::nullopt;
  return text_of_value(value->get_array().back());
}

std::vector<std::string> texts_of(const CheckRequest& request, std::string_view key) {
  std::vector<std::string> texts;
  const json::value* value = request.if_contains(key);
  if (value == nullptr || value->is_null()) return texts;
  if (!value->is_array()) return {text_of_value(*value)};
  for (const json::value& one : value->get_array()) texts.push_back(text_of_value(one));
  return texts;
}

dns::Resolver* CheckPlace::find_resolver() {
  if (!resolver_) {
    auto made = dns::UnboundResolver::create(worker_, dns_);
    if (!made) {
      problem_ = "the resolver cannot start: " + made.error().message();
      return nullptr;
    }
    resolver_ = std::move(*made);
  }
  return resolver_.get();
}

std::optional<std::string> read_check_file(const std::string& path, std::string& problem) {
  const bool is_standard_input = path == "-";
  std::FILE* const file = is_standard_input ? stdin : std::fopen(path.c_str(), "rbe");
  if (file == nullptr) {
    problem = path + ": " + std::strerror(errno);
    return std::nullopt;
  }
  std::optional<std::string> octets(std::in_place);
  char block[65536];
  while (const std::size_t size = std::fread(block, 1, sizeof(block), file)) {
    octets->append(block, size);
    if (octets->size() > kCheckFileOctetsMax) break;
  }
  if (std::ferror(file) != 0) {
    problem = path + ": " + std::strerror(errno);
    octets.reset();
  } else if (octets->size() > kCheckFileOctetsMax) {
    problem = path + " is over 256 MiB";
    octets.reset();
  }
  if (!is_standard_input) std::fclose(file);
  return octets;
}

}  // namespace ekiden::cli
