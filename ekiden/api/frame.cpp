#include "ekiden/api/frame.hpp"

#include <algorithm>
#include <boost/json/serialize.hpp>

#include "ekiden/api/strict_json.hpp"
#include "ekiden/base/text.hpp"

namespace ekiden::api {
namespace {

constexpr std::size_t kRequestIdOctetsMax = 128;

bool is_request_id(std::string_view text) {
  return !text.empty() && text.size() <= kRequestIdOctetsMax &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return base::is_alpha(c) || base::is_digit(c) || c == '-' || c == '_' || c == '.';
         });
}

bool is_below(std::string_view path, std::string_view prefix) {
  return path.starts_with(prefix) &&
         (path.size() == prefix.size() || path[prefix.size()] == '/' || prefix.ends_with('/'));
}

/// A body of JSON; nothing and a problem otherwise.
std::optional<boost::json::value> read_json(const HttpRequest& request,
                                            std::optional<Problem>& problem) {
  std::string_view type = request.header("content-type");
  type = base::trimmed(type.substr(0, type.find(';')));
  if (!type.empty() && !base::equals_ignoring_case(type, "application/json")) {
    problem = make_problem(415, "unsupported-media-type",
                           {"Send application/json.", "application/jsonで送ってください。"});
    return std::nullopt;
  }
  Text why;
  auto value = parse_json(request.body, why);
  if (!value) problem = make_problem(400, "not-json", std::move(why));
  return value;
}

}  // namespace

HttpResponse json_response(unsigned status, const boost::json::object& object) {
  HttpResponse response;
  response.status = status;
  response.content_type = "application/json";
  response.body = boost::json::serialize(object) + "\n";
  return response;
}

JsonBody read_json_body(const HttpRequest& request) {
  JsonBody read;
  std::optional<boost::json::value> value = read_json(request, read.problem);
  if (!value) return read;
  if (value->is_object()) {
    read.object = std::move(value->get_object());
  } else {
    read.problem = make_problem(
        400, "not-json", {"the body is no JSON object", "本文がJSONオブジェクトではありません"});
  }
  return read;
}

JsonList read_json_list(const HttpRequest& request) {
  JsonList read;
  std::optional<boost::json::value> value = read_json(request, read.problem);
  if (!value) return read;
  if (value->is_array()) {
    read.array = std::move(value->get_array());
  } else {
    read.problem = make_problem(400, "not-json",
                                {"the body is no JSON array", "本文がJSON配列ではありません"});
  }
  return read;
}

Frame::Frame(Parts parts)
    : parts_(parts),
      requests_(parts.metrics.counter("ekiden_api_requests_total", "Requests to the HTTP API")),
      refused_(parts.metrics.counter("ekiden_api_requests_refused_total",
                                     "Requests to the HTTP API without a valid key or scope")) {}

void Frame::add(std::string method, std::string path, Access access, Endpoint endpoint) {
  router_.add({std::move(method), std::move(path), std::move(access), std::move(endpoint)});
}

void Frame::add_family(std::string prefix, FormatProblem format) {
  families_.emplace_back(std::move(prefix), std::move(format));
  // The longest first.
  std::sort(families_.begin(), families_.end(),
            [](const auto& a, const auto& b) { return a.first.size() > b.first.size(); });
}

void Frame::serve_from(HttpServer& server) {
  const HttpHandler handler = [this](HttpRequest request) { return answer(std::move(request)); };
  server.route(kAnyMethod, "/v1/*", handler);
  for (const auto& [prefix, unused] : families_) {
    server.route(kAnyMethod, prefix, handler);
    server.route(kAnyMethod, prefix + "/*", handler);
  }
  server.set_gate([this](const HttpRequest& head) { return judge(head); });
  server.set_refusal([this](const HttpRequest& head, HttpResponse plain) {
    return refuse_unread(head, std::move(plain));
  });
}

std::string Frame::request_id_of(const HttpRequest& request) {
  const std::string_view given = request.header("x-request-id");
  if (is_request_id(given)) return std::string(given);
  return base::format_message_id(parts_.ids.next(parts_.worker.clock.now()));
}

HttpResponse Frame::refuse(const std::string& path, const Problem& problem,
                           const Caller& caller) const {
  for (const auto& [prefix, format] : families_) {
    if (is_below(path, prefix)) return format(problem, caller);
  }
  return to_response(problem, caller.language, caller.request_id);
}

Frame::Found Frame::find(HttpRequest request) {
  Found found;
  found.call = std::make_shared<Call>();
  Call& call = *found.call;
  call.caller.language = choose_language(request.header("accept-language"));
  call.caller.request_id = request_id_of(request);
  call.caller.address = request.client;
  const std::string method = request.method == "HEAD" ? "GET" : request.method;
  Router::Match match = router_.find(method, request.path);
  if (match.route == nullptr) {
    found.allowed = std::move(match.allowed);
    found.problem =
        found.allowed.empty()
            ? make_problem(404, "not-found",
                           {"There is nothing at this path.", "このパスには何もありません。"})
            : make_problem(405, "method-not-allowed",
                           {"This path does not take " + base::printable(request.method, 40) + ".",
                            "このパスでは使えないメソッドです。"});
    call.request = std::move(request);
    return found;
  }
  if (match.route->access.needs_key) {
    Authentication known =
        authenticate(secret_of(request), request.client, parts_.accounts.current(), parts_.node_key,
                     parts_.worker.clock.now());
    found.problem = std::move(known.problem);
    call.caller.accounts = std::move(known.caller.accounts);
    call.caller.key = known.caller.key;
    if (!found.problem) found.problem = check_scope(call.caller, match.route->access.scope);
    if (!found.problem && match.route->access.needs_operator)
      found.problem = check_operator(call.caller);
  }
  call.query = Parameters::parse(request.query);
  call.path = std::move(match.parameters);
  call.request = std::move(request);
  found.route = match.route;
  return found;
}

std::optional<HttpResponse> Frame::judge(const HttpRequest& head) {
  Found found = find(head);
  if (!found.problem) return std::nullopt;
  requests_.add();
  refused_.add();
  HttpResponse response = refuse(head.path, *found.problem, found.call->caller);
  response.headers.emplace_back("X-Request-Id", found.call->caller.request_id);
  return response;
}

HttpResponse Frame::refuse_unread(const HttpRequest& head, HttpResponse plain) {
  // Who may not ask is told that, whatever the size.
  if (std::optional<HttpResponse> refusal = judge(head)) return std::move(*refusal);
  Problem problem = make_problem(
      plain.status, "no-http",
      {"The body cannot be told from what follows it.", "リクエスト本文の範囲を特定できません。"});
  if (plain.status == 413) {
    problem.code = "too-large";
    problem.detail = {"The body is larger than limits.message_size allows.",
                      "本文がlimits.message_sizeの上限を超えています。"};
  } else if (plain.status == 408) {
    problem.code = "too-slow";
    problem.detail = {"The body did not come in time.", "本文が時間内に届きませんでした。"};
  } else if (plain.status == 503) {
    problem.code = "unavailable";
    problem.detail = {"Too many large requests are under way.",
                      "大きなリクエストが混み合っています。"};
  }
  Caller caller;
  caller.language = choose_language(head.header("accept-language"));
  caller.request_id = request_id_of(head);
  HttpResponse response = refuse(head.path, problem, caller);
  for (auto& header : plain.headers) response.headers.push_back(std::move(header));
  response.headers.emplace_back("X-Request-Id", caller.request_id);
  return response;
}

base::Task<HttpResponse> Frame::answer(HttpRequest request) {
  requests_.add();
  Found found = find(std::move(request));
  std::shared_ptr<Call> call = found.call;
  HttpResponse response;
  if (found.problem) {
    refused_.add();
    response = refuse(call->request.path, *found.problem, call->caller);
    std::string allowed;
    for (const std::string& method : found.allowed)
      allowed += (allowed.empty() ? "" : ", ") + method;
    if (!allowed.empty()) response.headers.emplace_back("Allow", std::move(allowed));
  } else {
    response = co_await found.route->endpoint(call);
  }
  if (finish_ && call->caller.key != nullptr) finish_(*call, response);
  response.headers.emplace_back("X-Request-Id", call->caller.request_id);
  co_return response;
}

}  // namespace ekiden::api
