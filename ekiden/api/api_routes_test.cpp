// The routes of /v1 over a spool that keeps, holds and refuses as the test says.
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

#include "ekiden/api/openapi.hpp"
#include "ekiden/api/test_api.hpp"
#include "ekiden/base/text.hpp"

namespace ekiden::api {
namespace {

namespace json = boost::json;

class Routes : public testing::Test {
 protected:
  static base::Task<void> run(Frame& frame, HttpRequest request, std::optional<HttpResponse>& out) {
    HttpResponse response = co_await frame.answer(std::move(request));
    out.emplace(std::move(response));
  }
  void begin(std::string path, std::string body, std::string idempotency_key = {}) {
    HttpRequest request;
    request.method = "POST";
    request.path = std::move(path);
    request.body = std::move(body);
    request.client = boost::asio::ip::make_address("192.0.2.1");
    request.headers.emplace_back("authorization", "Bearer " + api_.secret());
    if (!idempotency_key.empty())
      request.headers.emplace_back("idempotency-key", std::move(idempotency_key));
    response_.reset();
    tasks_.spawn(run(api_.frame(), std::move(request), response_));
    bench_.settle();
  }
  json::object body() const { return json::parse(response_->body).as_object(); }

  static constexpr const char* kMessage =
      R"({"from":"a@client.test","to":"b@dest.test","subject":"s","text":"t"})";

  test::InboundBench bench_;
  base::TaskGroup tasks_{bench_.worker};
  TestApi api_{bench_};
  std::optional<HttpResponse> response_;
};

TEST_F(Routes, AMessageIsAnsweredOnlyOnceItIsDurable) {
  bench_.spool.is_holding = true;
  begin("/v1/messages", kMessage);
  EXPECT_FALSE(response_) << "not durable yet";
  EXPECT_TRUE(bench_.intake.taken.empty());
  bench_.spool.let_go();
  bench_.settle();
  ASSERT_TRUE(response_);
  EXPECT_EQ(response_->status, 202u);
  ASSERT_EQ(bench_.intake.taken.size(), 1u);
  const queue::Accepted& taken = bench_.intake.taken.front();
  EXPECT_EQ(body().at("id").as_string(), base::format_message_id(taken.id));
  EXPECT_EQ(taken.meta->details.protocol, "HTTP");
  EXPECT_EQ(taken.meta->details.identity, "apikey:7");
  EXPECT_EQ(bench_.intake.reserved, 0u);
}

TEST_F(Routes, ASpoolThatRefusesIs503AndNothingIsQueued) {
  bench_.spool.refusal = make_error_code(spool::Errc::NoSpace);
  begin("/v1/messages", kMessage);
  EXPECT_EQ(response_->status, 503u);
  EXPECT_TRUE(bench_.intake.taken.empty());
  bench_.spool.refusal = {};
  bench_.spool.accepts_messages = false;
  begin("/v1/messages", kMessage);
  EXPECT_EQ(response_->status, 503u);
  bench_.spool.accepts_messages = true;
  bench_.intake.is_full = true;
  begin("/v1/messages", kMessage);
  EXPECT_EQ(response_->status, 503u);
  EXPECT_TRUE(bench_.spool.messages.empty());
  EXPECT_EQ(bench_.intake.reserved, 0u);
}

TEST_F(Routes, ARefusalNamesTheField) {
  begin("/v1/messages", R"({"from":"a@other.test","to":"b@dest.test","subject":"s","text":"t"})");
  EXPECT_EQ(response_->status, 403u);
  begin("/v1/messages", R"({"from":"a@client.test","subject":"s"})");
  EXPECT_EQ(response_->status, 422u);
  EXPECT_EQ(body().at("errors").as_array().size(), 2u);
  bench_.options->limits.recipients_per_message = 1;
  begin("/v1/messages",
        R"({"from":"a@client.test","to":["b@dest.test","c@dest.test"],"subject":"s","text":"t"})");
  EXPECT_EQ(response_->status, 422u);
  EXPECT_TRUE(bench_.spool.messages.empty());
}

TEST_F(Routes, ARepetitionWhileTheFirstIsUnderWayIsToldSo) {
  bench_.spool.is_holding = true;
  begin("/v1/messages", kMessage, "k");
  EXPECT_FALSE(response_);
  std::optional<HttpResponse> second;
  HttpRequest request;
  request.method = "POST";
  request.path = "/v1/messages";
  request.body = kMessage;
  request.headers = {{"authorization", "Bearer " + api_.secret()}, {"idempotency-key", "k"}};
  tasks_.spawn(run(api_.frame(), request, second));
  bench_.settle();
  ASSERT_TRUE(second);
  EXPECT_EQ(second->status, 409u);
  bench_.spool.let_go();
  bench_.settle();
  ASSERT_TRUE(response_);
  EXPECT_EQ(response_->status, 202u);
  const std::string first = response_->body;
  begin("/v1/messages", kMessage, "k");
  EXPECT_EQ(response_->body, first);
  EXPECT_EQ(bench_.spool.messages.size(), 1u);
}

TEST_F(Routes, OtherServicesErrorsLookLikeTheirs) {
  begin("/v3/mail/send", "{}");
  EXPECT_EQ(response_->status, 400u);
  EXPECT_EQ(body().at("errors").as_array()[0].as_object().at("field").as_string(),
            "personalizations");
  begin("/email", "{\"From\":\"a@client.test\"}");
  EXPECT_EQ(response_->status, 422u);
  EXPECT_EQ(body().at("ErrorCode").as_int64(), 300);
  begin("/emails", "{\"from\":\"a@client.test\"}");
  EXPECT_EQ(response_->status, 422u);
  EXPECT_EQ(body().at("name").as_string(), "validation_error");
  begin("/api/v1/deliveries/transaction", "{\"from\":{\"email\":\"a@client.test\"}}");
  EXPECT_EQ(response_->status, 400u);
  EXPECT_TRUE(body().at("error_messages").as_object().contains("text_part"));
  begin("/v3/other", "{}");
  EXPECT_EQ(response_->status, 404u);
  EXPECT_TRUE(body().contains("errors"));
}

TEST_F(Routes, EveryRouteOfV1IsDescribed) {
  const json::value document = json::parse(openapi_document());
  const json::object& paths = document.as_object().at("paths").as_object();
  std::size_t described = 0;
  for (const auto& [path, item] : paths) described += item.as_object().size();
  std::size_t served = 0;
  for (const auto& route : api_.frame().router().routes()) {
    if (!route->path.starts_with("/v1")) continue;
    ++served;
    std::string method = route->method;
    for (char& c : method) c = base::to_lower(c);
    const json::value* item = paths.if_contains(route->path);
    EXPECT_TRUE(item != nullptr && item->as_object().contains(method))
        << route->method << " " << route->path;
  }
  EXPECT_EQ(served, described);
}

}  // namespace
}  // namespace ekiden::api
