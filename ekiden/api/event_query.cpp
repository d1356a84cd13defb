#include "ekiden/api/event_query.hpp"

#include <algorithm>
#include <boost/json/parse.hpp>

#include "ekiden/api/composer.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/message/trace.hpp"

namespace ekiden::api {
namespace {

namespace json = boost::json;

constexpr std::size_t kPageDefault = 100, kPageMax = 1000;

std::optional<std::size_t> parse_count(std::string_view text, std::size_t most) {
  const auto number = base::parse_u64(text);
  if (!number || *number == 0 || *number > most) return std::nullopt;
  return static_cast<std::size_t>(*number);
}

/// 550, a class such as 5, or an enhanced code such as 5.1.1.
bool is_code(std::string_view text) {
  return !text.empty() && text.size() <= 11 &&
         text.find_first_not_of("0123456789.") == std::string_view::npos &&
         (text.size() <= 3 || text.find('.') != std::string_view::npos);
}

}  // namespace

Asked read_query(const Call& call) {
  Asked asked;
  events::Query& query = asked.query;
  query.tenant = call.caller.tenant();
  query.limit = kPageDefault;
  const std::pair<std::string_view, std::string*> texts[] = {
      {"recipient", &query.recipient}, {"domain", &query.domain},     {"subject", &query.subject},
      {"status", &asked.status},       {"tag", &query.tag},           {"stream", &query.stream},
      {"source", &query.source},       {"provider", &query.provider},
  };
  for (const auto& [name, value] : call.query.items()) {
    const auto text =
        std::find_if(std::begin(texts), std::end(texts),
                     [&, &name = name](const auto& one) { return one.first == name; });
    if (text != std::end(texts)) {
      *text->second = value;
    } else if (name == "message_id") {
      query.internet_message_id = value.starts_with('<') ? value : "<" + value + ">";
    } else if (name == "id" || name == "message") {
      query.message = base::parse_message_id(value);
      if (!query.message)
        asked.problem = bad_parameter(name, {"no message id", "メッセージIDではありません"});
    } else if (name == "sender") {
      // A whole address has an index, a part of one has none.
      const std::size_t at = value.find('@');
      const bool is_address =
          at != std::string::npos && at != 0 && value.find('.', at) != std::string::npos;
      (is_address ? query.sender : asked.sender) = is_address ? value : base::lowered(value);
    } else if (name == "code") {
      query.code = value;
      if (!is_code(value))
        asked.problem = bad_parameter(
            name, {"no code such as 550, 5 or 5.1.1", "550、5、5.1.1のようなコードではありません"});
    } else if (name == "kind") {
      query.kind = events::parse_kind(value);
      if (!query.kind)
        asked.problem = bad_parameter(name, {"no kind of event", "イベントの種類ではありません"});
    } else if (name == "from" || name == "until") {
      const auto time = message::parse_date(value);
      if (!time)
        asked.problem = bad_parameter(name, {"no date such as 2026-11-22T09:00:00Z",
                                             "2026-11-22T09:00:00Zのような日時ではありません"});
      (name == "from" ? query.from : query.until) = time;
    } else if (name == "limit") {
      const auto limit = parse_count(value, kPageMax);
      if (!limit) {
        const std::string max = std::to_string(kPageMax);
        asked.problem =
            bad_parameter(name, {"a number from 1 to " + max, "1から" + max + "までの数です"});
      }
      query.limit = limit.value_or(kPageDefault);
    } else if (name != "cursor" && name != "by") {
      asked.problem =
          bad_parameter(name, {"there is no such parameter", "そのようなパラメータはありません"});
    }
  }
  return asked;
}

bool fits(const Asked& asked, const events::Event& event) {
  if (!asked.sender.empty() &&
      base::lowered(event.sender + " " + event.header_from).find(asked.sender) == std::string::npos)
    return false;
  return events::matches(asked.query, event);
}

json::object to_json(const events::Event& event) {
  json::error_code error;
  json::value value = json::parse(events::format_event_json(event), error);
  if (error || !value.is_object()) return {};
  json::object object = std::move(value.get_object());
  if (!event.subject.empty()) object["subject"] = decode_header_text(event.subject);
  return object;
}

Problem no_such_message() {
  return make_problem(404, "no-such-message",
                      {"This tenant has no such message, or its events are over their retention.",
                       "このテナントにはそのメッセージがないか、保存期間を過ぎています。"});
}

Problem too_busy() {
  return unavailable({"Too many searches are under way.", "検索が混み合っています。"}, 2);
}

base::Task<void> sleep(base::Clock& clock, base::Duration duration) {
  auto begin = [&](base::Completion<int> done) {
    clock.call_after(duration, [d = std::move(done)]() mutable { d(0); });
  };
  co_await base::suspend<int>(std::move(begin));
}

}  // namespace ekiden::api
