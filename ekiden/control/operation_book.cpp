#include "ekiden/control/operation_book.hpp"

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <optional>

namespace ekiden::control {

namespace json = boost::json;

namespace {

constexpr std::int64_t kVersion = 1;
constexpr std::array<OperationView::State, 4> kStates{
    OperationView::State::Running, OperationView::State::Done, OperationView::State::Cancelled,
    OperationView::State::Failed};

/// Counters of a view, as they are called in the file and everywhere else.
struct Counter {
  std::string_view name;
  std::uint64_t OperationView::*member;
};
constexpr std::array<Counter, 5> kCounters{{{"matched", &OperationView::matched},
                                            {"done", &OperationView::done},
                                            {"skipped", &OperationView::skipped},
                                            {"looked_at", &OperationView::looked_at},
                                            {"to_look_at", &OperationView::to_look_at}}};

json::object encode_one(const BookedOperation& one) {
  const OperationView view = one.operation->view();
  json::object object{{"operation", view.id},
                      {"what", view.what},
                      {"state", state_name(view.state)},
                      {"action", action_name(one.action)},
                      {"filter", to_json(one.filter)},
                      {"argument", one.argument},
                      {"began_us", base::to_unix_us(one.began)},
                      {"problem", view.problem}};
  for (const Counter& counter : kCounters) object[counter.name] = view.*(counter.member);
  if (view.ended) object["ended_us"] = base::to_unix_us(*view.ended);
  return object;
}

std::optional<BookedOperation> decode_one(const json::value& value) {
  const json::object* object = value.if_object();
  if (object == nullptr) return std::nullopt;
  const auto text = [&](std::string_view key) -> std::string {
    const json::value* field = object->if_contains(key);
    if (field == nullptr || !field->is_string()) return {};
    return std::string(std::string_view(field->as_string()));
  };
  const auto number = [&](std::string_view key) -> std::optional<std::int64_t> {
    const json::value* field = object->if_contains(key);
    if (field == nullptr || !field->is_int64()) return std::nullopt;
    return field->as_int64();
  };
  const auto id = number("operation");
  const auto action = parse_action(text("action"));
  const auto began = number("began_us");
  const json::value* const filter_value = object->if_contains("filter");
  if (!id || *id <= 0 || !action || !began || filter_value == nullptr || !filter_value->is_object())
    return std::nullopt;
  std::string problem;
  // One that is misread would act on mail that nobody meant.
  const std::optional<Filter> filter = filter_from_json(filter_value->as_object(), problem);
  if (!filter) return std::nullopt;
  OperationView view;
  view.id = static_cast<std::uint64_t>(*id);
  view.what = text("what");
  view.problem = text("problem");
  view.started = base::from_unix_us(*began);
  if (const auto ended = number("ended_us")) view.ended = base::from_unix_us(*ended);
  const std::string name = text("state");
  const auto state = std::find_if(kStates.begin(), kStates.end(),
                                  [&](OperationView::State s) { return name == state_name(s); });
  if (state == kStates.end()) return std::nullopt;
  view.state = *state;
  for (const Counter& counter : kCounters)
    view.*(counter.member) =
        static_cast<std::uint64_t>(std::max<std::int64_t>(0, number(counter.name).value_or(0)));
  return BookedOperation{std::make_shared<Operation>(view), *action, *filter, text("argument"),
                         base::from_unix_us(*began)};
}

}  // namespace

bool OperationBook::load(std::string_view octets) {
  if (octets.empty()) return true;
  boost::system::error_code error;
  const json::value value = json::parse(json::string_view(octets.data(), octets.size()), error);
  const json::object* object = error ? nullptr : value.if_object();
  const json::value* list = object == nullptr ? nullptr : object->if_contains("operations");
  if (list == nullptr || !list->is_array() ||
      list->as_array().size() > kEndedMax + Operations::kRunningMax)
    return false;
  std::vector<BookedOperation> all;
  for (const json::value& each : list->as_array()) {
    auto one = decode_one(each);
    if (!one) return false;
    all.push_back(std::move(*one));
  }
  all_ = std::move(all);
  for (const BookedOperation& one : all_) operations_.adopt(one.operation);
  return true;
}

std::vector<BookedOperation> OperationBook::running() const {
  std::vector<BookedOperation> running;
  for (const BookedOperation& one : all_)
    if (one.operation->is_running()) running.push_back(one);
  return running;
}

base::Task<Result<void>> OperationBook::put(BookedOperation operation) {
  const std::uint64_t id = operation.operation->id();
  all_.push_back(std::move(operation));
  const Result<void> written = co_await file_.write();
  if (!written)
    std::erase_if(all_, [id](const BookedOperation& one) { return one.operation->id() == id; });
  co_return written;
}

std::string OperationBook::encode() {
  auto ended = static_cast<std::size_t>(
      std::count_if(all_.begin(), all_.end(),
                    [](const BookedOperation& one) { return !one.operation->is_running(); }));
  std::erase_if(all_, [&ended](const BookedOperation& one) {
    if (ended <= kEndedMax || one.operation->is_running()) return false;
    --ended;
    return true;
  });
  json::array list;
  for (const BookedOperation& one : all_) list.push_back(encode_one(one));
  const json::object whole{{"version", kVersion}, {"operations", std::move(list)}};
  return json::serialize(whole) + "\n";
}

}  // namespace ekiden::control
