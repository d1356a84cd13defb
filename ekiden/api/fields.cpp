#include "ekiden/api/fields.hpp"

#include <algorithm>
#include <cstdio>

#include "ekiden/api/draft_reader.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/config/units.hpp"

namespace ekiden::api {

namespace json = boost::json;

namespace {

std::string_view view(const json::string& text) {
  return {text.data(), text.size()};
}

}  // namespace

const json::value* Fields::find(std::string_view name) {
  asked_.emplace(name);
  const json::value* value = object_.if_contains(json::string_view(name.data(), name.size()));
  return value == nullptr || value->is_null() ? nullptr : value;
}

bool Fields::has(std::string_view name) {
  return object_.contains(json::string_view(name.data(), name.size()));
}

void Fields::wrong(std::string_view name, std::string_view code, Text text) {
  findings_.add(member(base_, name), std::string(code), std::move(text));
}

std::optional<std::string> Fields::text(std::string_view name) {
  const json::value* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (value->is_string()) return std::string(view(value->get_string()));
  wrong(name, "wrong_type", wrong_type("a text", "文字列"));
  return std::nullopt;
}

std::string Fields::required(std::string_view name) {
  const bool is_there = find(name) != nullptr;
  auto given = text(name);
  if (!is_there) wrong(name, "required", {"this field is needed", "この項目は必須です"});
  return given.value_or("");
}

std::optional<std::vector<std::string>> Fields::texts(std::string_view name) {
  const json::value* value = find(name);
  if (value == nullptr) return std::nullopt;
  const json::array* array = value->if_array();
  if (array == nullptr) {
    wrong(name, "wrong_type", wrong_type("an array of texts", "文字列の配列"));
    return std::nullopt;
  }
  if (array->size() > kItemsMax) {
    wrong(name, "too_many", {"at most 1000 items", "1000件までです"});
    return std::nullopt;
  }
  std::vector<std::string> items;
  for (std::size_t i = 0; i < array->size(); ++i) {
    if ((*array)[i].is_string()) {
      items.emplace_back(view((*array)[i].get_string()));
    } else {
      findings_.add(member(base_, name) + "/" + std::to_string(i), "wrong_type",
                    wrong_type("a text", "文字列"));
    }
  }
  return items;
}

std::optional<bool> Fields::flag(std::string_view name) {
  const json::value* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (value->is_bool()) return value->get_bool();
  wrong(name, "wrong_type", wrong_type("true or false", "真偽値"));
  return std::nullopt;
}

std::optional<std::uint64_t> Fields::number(std::string_view name, std::uint64_t most) {
  const json::value* value = find(name);
  if (value == nullptr) return std::nullopt;
  json::error_code error;
  const auto number = value->is_number() ? value->to_number<std::uint64_t>(error) : 0;
  if (value->is_number() && !error && number <= most) return number;
  const std::string max = std::to_string(most);
  wrong(name, "wrong_type",
        wrong_type("a whole number from 0 to " + max, "0から" + max + "までの整数"));
  return std::nullopt;
}

std::optional<base::Time> Fields::instant(std::string_view name, base::Time now) {
  const json::value* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (auto time = read_time(*value)) return time;
  if (value->is_string()) {
    if (const auto duration = config::parse_duration(view(value->get_string())))
      return now + *duration;
  }
  wrong(name, "bad_value",
        {"a date such as 2026-11-22T09:00:00Z, or a duration such as 90d",
         "2026-11-22T09:00:00Zのような日時、または90dのような期間です"});
  return std::nullopt;
}

std::optional<base::Duration> Fields::duration(std::string_view name) {
  const auto given = text(name);
  if (!given) return std::nullopt;
  const auto duration = config::parse_duration(*given);
  if (!duration || *duration < base::Duration(0)) {
    wrong(name, "bad_value", {"a duration such as 24h", "24hのような期間です"});
    return std::nullopt;
  }
  return *duration;
}

const json::object* Fields::object(std::string_view name) {
  const json::value* value = find(name);
  if (value == nullptr) return nullptr;
  if (value->is_object()) return &value->get_object();
  wrong(name, "wrong_type", wrong_type("an object", "オブジェクト"));
  return nullptr;
}

void Fields::finish() {
  for (const auto& [key, unused] : object_) {
    const std::string_view name(key.data(), key.size());
    if (!asked_.contains(name))
      wrong(name, "unknown", {"there is no such field", "そのような項目はありません"});
  }
}

ReadBody::ReadBody(const HttpRequest& request, bool may_lack) : fields(object, findings) {
  if (may_lack && request.body.empty()) return;
  JsonBody body = read_json_body(request);
  problem = std::move(body.problem);
  object = std::move(body.object);
}

std::optional<Problem> ReadBody::finish() {
  if (problem) return problem;
  fields.finish();
  if (findings.is_empty()) return std::nullopt;
  return invalid_request(findings.take());
}

std::optional<Problem> check_query(const Call& call,
                                   std::initializer_list<std::string_view> known) {
  for (const auto& [name, unused] : call.query.items()) {
    if (std::find(known.begin(), known.end(), name) == known.end())
      return bad_parameter(name,
                           {"there is no such parameter", "そのようなパラメータはありません"});
  }
  return std::nullopt;
}

PageAsked read_page(const Call& call) {
  PageAsked asked;
  asked.cursor = call.query.get("cursor");
  if (const auto given = call.query.find("limit")) {
    const auto limit = base::parse_u64(*given);
    if (!limit || *limit == 0 || *limit > PageAsked::kMax) {
      asked.problem = bad_parameter("limit", {"a number from 1 to 1000", "1から1000までの数です"});
    } else {
      asked.limit = *limit;
    }
  }
  return asked;
}

std::string sortable(std::int64_t number) {
  char text[24];
  std::snprintf(text, sizeof text, "%020lld", static_cast<long long>(number));
  return text;
}

}  // namespace ekiden::api
