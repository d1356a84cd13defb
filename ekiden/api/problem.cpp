#include "ekiden/api/problem.hpp"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <map>

#include "ekiden/api/draft_reader.hpp"
#include "ekiden/base/text.hpp"

namespace ekiden::api {
namespace {

namespace json = boost::json;

const std::map<std::string_view, Text>& titles() {
  static const std::map<std::string_view, Text> kTitles = {
      {"not-found", {"Nothing at this path", "このパスには何もありません"}},
      {"method-not-allowed", {"This path does not take this method", "このメソッドは使えません"}},
      {"unauthorized", {"No valid API key", "APIキーが無効です"}},
      {"forbidden", {"This API key may not do that", "このAPIキーには権限がありません"}},
      {"not-json", {"The body is no JSON that can be taken", "本文がJSONとして読めません"}},
      {"unsupported-media-type", {"Content-Type is not taken", "Content-Typeに対応していません"}},
      {"invalid-request", {"Fields of the request are wrong", "リクエストの項目に誤りがあります"}},
      {"invalid-header", {"A header of the request is wrong", "リクエストヘッダに誤りがあります"}},
      {"too-large", {"The request is too large", "リクエストが大きすぎます"}},
      {"too-slow", {"The request took too long", "リクエストが時間内に届きませんでした"}},
      {"no-http", {"The request is no HTTP that can be taken", "HTTPリクエストとして読めません"}},
      {"refused", {"The message is refused", "メッセージは受け付けられません"}},
      {"no-such-message", {"There is no such message", "該当するメッセージがありません"}},
      {"no-such-object", {"There is no such object", "該当するものがありません"}},
      {"gone", {"The message is not kept any more", "メッセージはもう保存されていません"}},
      {"conflict", {"The request does not fit the present state", "現在の状態と矛盾しています"}},
      {"idempotency-key-reused",
       {"This Idempotency-Key was used with another request",
        "このIdempotency-Keyは別のリクエストで使用済みです"}},
      {"idempotency-key-in-use",
       {"A request with this Idempotency-Key is under way",
        "このIdempotency-Keyのリクエストは処理中です"}},
      {"rate-limited", {"Too many requests", "リクエストが多すぎます"}},
      {"unavailable", {"The relay cannot do this now", "現在処理できません"}},
      {"internal", {"Something went wrong here", "内部エラーです"}},
  };
  return kTitles;
}

std::string_view next_item(std::string_view& list, char separator) {
  const std::size_t end = std::min(list.find(separator), list.size());
  const std::string_view item = base::trimmed(list.substr(0, end));
  list.remove_prefix(std::min(end + 1, list.size()));
  return item;
}

/// "0.8" as 800; nothing else than digits and one dot counts.
unsigned parse_weight(std::string_view text) {
  unsigned weight = 0, scale = 1000;
  bool is_behind_dot = false;
  for (const char c : text) {
    if (c == '.') {
      is_behind_dot = true;
    } else if (base::is_digit(c)) {
      if (is_behind_dot) scale /= 10;
      weight += static_cast<unsigned>(c - '0') * scale;
      if (scale == 0) break;
    } else {
      return 0;
    }
  }
  return weight;
}

}  // namespace

Language choose_language(std::string_view accept_language) {
  constexpr std::size_t kItemsMax = 20;
  Language best = Language::English;
  unsigned best_weight = 0;
  for (std::size_t i = 0; i < kItemsMax && !accept_language.empty(); ++i) {
    std::string_view item = next_item(accept_language, ',');
    const std::string_view tag = next_item(item, ';');
    const std::string_view parameter = base::trimmed(item);
    const unsigned weight = parameter.starts_with("q=") ? parse_weight(parameter.substr(2)) : 1000;
    const std::string primary = base::lowered(tag.substr(0, tag.find('-')));
    if (weight <= best_weight || (primary != "ja" && primary != "en")) continue;
    best_weight = weight;
    best = primary == "ja" ? Language::Japanese : Language::English;
  }
  return best;
}

const Text& title_of(std::string_view code) {
  const auto found = titles().find(code);
  return found == titles().end() ? titles().at("internal") : found->second;
}

Problem make_problem(unsigned status, std::string_view code, Text detail) {
  Problem problem;
  problem.status = status;
  problem.code = code;
  problem.detail = std::move(detail);
  return problem;
}

Problem invalid_request(std::vector<FieldProblem> fields) {
  Problem problem = make_problem(422, "invalid-request",
                                 {"Nothing was sent: see errors for each field.",
                                  "送信していません。各項目のerrorsを参照してください。"});
  if (fields.size() > kFieldProblemsMax) fields.resize(kFieldProblemsMax);
  problem.fields = std::move(fields);
  return problem;
}

Problem bad_parameter(std::string_view name, Text text) {
  return invalid_request({{member({}, name), "bad_value", std::move(text)}});
}

Problem unavailable(Text detail, unsigned retry_after_s) {
  Problem problem = make_problem(503, "unavailable", std::move(detail));
  problem.retry_after_s = retry_after_s;
  return problem;
}

json::object to_json(const Problem& problem, Language language, std::string_view request_id) {
  json::object object{{"type", std::string(kProblemPrefix) + problem.code},
                      {"title", title_of(problem.code).in(language)},
                      {"status", problem.status},
                      {"detail", problem.detail.in(language)}};
  if (!problem.fields.empty()) {
    json::array errors;
    for (const FieldProblem& field : problem.fields) {
      errors.push_back(json::object{{"pointer", "#" + field.pointer},
                                    {"code", field.code},
                                    {"detail", field.text.in(language)}});
    }
    object["errors"] = std::move(errors);
  }
  if (!request_id.empty()) object["request_id"] = json::string(request_id);
  return object;
}

HttpResponse to_response(const Problem& problem, Language language, std::string_view request_id) {
  HttpResponse response;
  response.status = problem.status;
  response.content_type = "application/problem+json";
  response.body = json::serialize(to_json(problem, language, request_id)) + "\n";
  response.headers.emplace_back("Content-Language", language == Language::Japanese ? "ja" : "en");
  if (problem.retry_after_s != 0)
    response.headers.emplace_back("Retry-After", std::to_string(problem.retry_after_s));
  // RFC 6750 §3, RFC 7617 §2.
  if (problem.status == 401)
    response.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"ekiden\"");
  return response;
}

}  // namespace ekiden::api
