#include "ekiden/api/once.hpp"

#include <utility>

namespace ekiden::api {
namespace {

base::Task<HttpResponse> answer_once(Sender& sender, std::shared_ptr<Call> call, Endpoint endpoint,
                                     FormatProblem refuse) {
  Sender::Claimed claimed = co_await sender.claim(call, 0, std::move(refuse));
  if (claimed.answer) co_return std::move(*claimed.answer);
  HttpResponse response = co_await endpoint(std::move(call));
  const auto outcome = response.status < 300 ? Sender::Outcome::Done : Sender::Outcome::Nothing;
  std::string body = response.body;
  co_await sender.settle(std::move(claimed.request), response.status, std::move(body), outcome);
  co_return response;
}

}  // namespace

Endpoint once(Sender& sender, Endpoint endpoint, FormatProblem refuse) {
  return [&sender, endpoint = std::move(endpoint),
          refuse = std::move(refuse)](std::shared_ptr<Call> call) {
    return answer_once(sender, std::move(call), endpoint, refuse);
  };
}

}  // namespace ekiden::api
