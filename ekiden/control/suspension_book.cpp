#include "ekiden/control/suspension_book.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

namespace ekiden::control {

namespace json = boost::json;

namespace {

constexpr std::int64_t kVersion = 1;

bool is_of(const Suspension& suspension, SuspendScope::Kind kind, std::string_view name) {
  return suspension.scope.kind == kind && suspension.scope.name == name;
}

std::optional<Suspension> parse_one(const json::value& value) {
  const json::object* object = value.if_object();
  if (object == nullptr) return std::nullopt;
  const auto text = [&](std::string_view key) -> std::string {
    const json::value* field = object->if_contains(key);
    return field != nullptr && field->is_string()
               ? std::string(std::string_view(field->as_string()))
               : std::string();
  };
  const auto time = [&](std::string_view key) -> std::optional<base::Time> {
    const json::value* field = object->if_contains(key);
    if (field == nullptr || !field->is_int64()) return std::nullopt;
    return base::from_unix_us(field->as_int64());
  };
  Suspension suspension;
  const auto kind = parse_kind(text("kind"));
  suspension.scope.name = text("name");
  if (!kind || suspension.scope.name.empty()) return std::nullopt;
  suspension.scope.kind = *kind;
  suspension.since = time("since_us").value_or(base::Time{});
  suspension.until = time("until_us");
  suspension.reason = text("reason");
  return suspension;
}

}  // namespace

bool SuspensionBook::load(std::string_view octets) {
  if (octets.empty()) return true;
  boost::system::error_code error;
  const json::value value = json::parse(json::string_view(octets.data(), octets.size()), error);
  const json::object* object = error ? nullptr : value.if_object();
  const json::value* list = object == nullptr ? nullptr : object->if_contains("suspensions");
  if (list == nullptr || !list->is_array() || list->as_array().size() > kMax) return false;
  std::vector<Suspension> all;
  for (const json::value& each : list->as_array()) {
    auto suspension = parse_one(each);
    if (!suspension) return false;
    all.push_back(std::move(*suspension));
  }
  all_ = std::move(all);
  return true;
}

std::string SuspensionBook::encode() const {
  json::array list;
  for (const Suspension& suspension : all_) {
    json::object one{{"kind", kind_name(suspension.scope.kind)},
                     {"name", suspension.scope.name},
                     {"since_us", base::to_unix_us(suspension.since)},
                     {"reason", suspension.reason}};
    if (suspension.until) one["until_us"] = base::to_unix_us(*suspension.until);
    list.push_back(std::move(one));
  }
  const json::object whole{{"version", kVersion}, {"suspensions", std::move(list)}};
  return json::serialize(whole) + "\n";
}

const Suspension* SuspensionBook::find(SuspendScope::Kind kind, std::string_view name) const {
  for (const Suspension& suspension : all_)
    if (is_of(suspension, kind, name)) return &suspension;
  return nullptr;
}

std::optional<base::Time> SuspensionBook::next_end() const {
  std::optional<base::Time> next;
  for (const Suspension& suspension : all_)
    if (suspension.until && (!next || *suspension.until < *next)) next = suspension.until;
  return next;
}

base::Task<Result<void>> SuspensionBook::put(Suspension suspension) {
  const SuspendScope scope = suspension.scope;
  std::optional<Suspension> before;
  if (const Suspension* found = find(scope.kind, scope.name)) before = *found;
  std::erase_if(all_, [&](const Suspension& s) { return is_of(s, scope.kind, scope.name); });
  all_.push_back(std::move(suspension));
  const Result<void> written = co_await file_.write();
  if (!written) {
    std::erase_if(all_, [&](const Suspension& s) { return is_of(s, scope.kind, scope.name); });
    if (before) all_.push_back(std::move(*before));
  }
  co_return written;
}

base::Task<Result<void>> SuspensionBook::remove(SuspendScope scope) {
  const Suspension* found = find(scope.kind, scope.name);
  if (found == nullptr) co_return Result<void>();
  Suspension before = *found;
  std::erase_if(all_, [&](const Suspension& s) { return is_of(s, scope.kind, scope.name); });
  const Result<void> written = co_await file_.write();
  if (!written && find(scope.kind, scope.name) == nullptr) all_.push_back(std::move(before));
  co_return written;
}

}  // namespace ekiden::control
