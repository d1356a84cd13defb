#pragma once

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <optional>
#include <string>

#include "ekiden/api/test_api.hpp"
#include "ekiden/events/store.hpp"

namespace ekiden::api {

namespace json = boost::json;

/// The API of one worker over a real event store.
class ApiOverEvents : public testing::Test {
 protected:
  ApiOverEvents() {
    events::Store::Options options;
    options.directory = api_.folder() + "/events";
    store_.emplace(bench_.clock, options);
  }

  base::MessageId id(std::uint64_t number) {
    const auto ms = static_cast<std::uint64_t>(base::to_unix_us(bench_.clock.now()) / 1000);
    return {ms << 16, number};
  }
  void happened(std::uint64_t number, events::Kind kind, std::string tenant) {
    events::Event event;
    event.message = id(number);
    event.time = bench_.clock.now();
    event.kind = kind;
    event.recipient = "b" + std::to_string(number) + "@dest.test";
    event.tenant = std::move(tenant);
    event.stream = "bulk";
    ASSERT_TRUE(store_->write({events::encode_event(event)}));
  }
  static base::Task<void> run(Frame& frame, HttpRequest request, std::optional<HttpResponse>& out) {
    HttpResponse response = co_await frame.answer(std::move(request));
    out.emplace(std::move(response));
  }
  HttpResponse ask(std::string method, std::string path, std::string query = {},
                   std::string body = {}) {
    HttpRequest request;
    request.method = std::move(method);
    request.path = std::move(path);
    request.query = std::move(query);
    request.body = std::move(body);
    request.client = boost::asio::ip::make_address("192.0.2.1");
    request.headers.emplace_back("authorization", "Bearer " + api_.secret());
    std::optional<HttpResponse> response;
    tasks_.spawn(run(api_.frame(), std::move(request), response));
    bench_.settle();
    EXPECT_TRUE(response);
    return response ? std::move(*response) : HttpResponse{};
  }
  static json::object parsed(const HttpResponse& response) {
    return json::parse(response.body).as_object();
  }
  test::InboundBench bench_;
  base::TaskGroup tasks_{bench_.worker};
  TestApi api_{bench_};
  std::optional<events::Store> store_;
};

}  // namespace ekiden::api
