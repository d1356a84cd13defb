#include "ekiden/api/idempotent.hpp"

#include <algorithm>

#include "ekiden/account/password.hpp"

namespace ekiden::api {

bool is_idempotency_key(std::string_view key) {
  return !key.empty() && key.size() <= IdempotencyBook::kKeyOctetsMax &&
         std::all_of(key.begin(), key.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

Problem bad_idempotency_key() {
  return make_problem(400, "invalid-header",
                      {"Idempotency-Key is 1 to 255 printable ASCII characters.",
                       "Idempotency-Keyは255文字以内のASCII文字です。"});
}

std::string fingerprint_of(const HttpRequest& request) {
  std::string what = request.method + " " + request.path;
  if (!request.query.empty()) what += "?" + request.query;
  return account::sha256(what + "\n" + request.body);
}

std::optional<Problem> problem_of(IdempotencyBook::Claim::Kind kind) {
  using Kind = IdempotencyBook::Claim::Kind;
  switch (kind) {
    case Kind::Begun:
    case Kind::Replay:
      return std::nullopt;
    case Kind::Reused:
      return make_problem(
          409, "idempotency-key-reused",
          {"Use a new key for another request.", "別のリクエストには新しいキーを使ってください。"});
    case Kind::InUse: {
      Problem problem =
          make_problem(409, "idempotency-key-in-use",
                       {"Ask again in a moment.", "しばらくしてから再試行してください。"});
      problem.retry_after_s = 1;
      return problem;
    }
    case Kind::Unavailable:
      break;
  }
  return unavailable({"The key cannot be kept now.", "現在Idempotency-Keyを記録できません。"});
}

HttpResponse replayed(unsigned status, std::string body) {
  HttpResponse response;
  response.status = status;
  response.content_type = body.empty() ? "" : "application/json";
  response.body = std::move(body);
  response.headers.emplace_back("Idempotent-Replayed", "true");
  return response;
}

}  // namespace ekiden::api
