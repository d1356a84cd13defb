#include "ekiden/api/api.hpp"
#include "ekiden/api/openapi.hpp"

namespace ekiden::api {
namespace {

base::Task<HttpResponse> describe(std::shared_ptr<Call>) {
  HttpResponse response;
  response.content_type = "application/json";
  response.body = openapi_document();
  co_return response;
}

}  // namespace

void add_description_route(Frame& frame) {
  Access everybody;
  everybody.needs_key = false;
  frame.add("GET", "/v1/openapi.json", everybody, describe);
}

}  // namespace ekiden::api
