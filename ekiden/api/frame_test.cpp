#include "ekiden/api/frame.hpp"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

#include "ekiden/account/password.hpp"
#include "ekiden/account/stored_snapshot.hpp"
#include "ekiden/base/event_loop.hpp"
#include "ekiden/base/text.hpp"
#include "tests/support/fake_clock.hpp"

namespace ekiden::api {
namespace {

namespace json = boost::json;

class Accounts final : public account::SnapshotSource {
 public:
  std::shared_ptr<const account::Snapshot> current() const override { return snapshot; }
  std::shared_ptr<const account::Snapshot> snapshot;
};

base::Task<HttpResponse> echo(std::shared_ptr<Call> call) {
  json::object object{{"tenant", call->caller.tenant()}};
  for (const auto& [name, value] : call->path.items()) object[name] = value;
  for (const auto& [name, value] : call->query.items()) object["?" + name] = value;
  co_return json_response(200, object);
}

/// A frame with three keys: "shop" may do everything, "reader" reads, "office" comes from
/// 198.51.100.0/24 and only sends.
class FrameTest : public testing::Test {
 protected:
  FrameTest() {
    std::vector<account::ApiKey> keys;
    for (const std::string name : {"shop", "reader", "office"}) {
      account::ApiKey key;
      key.id = static_cast<std::int64_t>(keys.size()) + 1;
      key.name = name;
      key.credential.name = account::api_key_identity(key.id);
      key.credential.tenant = "acme";
      const account::MadeApiKey made = account::make_api_key(name, node_key_, random_);
      secrets_[name] = made.secret;
      key.credential.key_hash = made.key_hash;
      key.blastengine_hash = made.blastengine_hash;
      keys.push_back(std::move(key));
    }
    keys[1].role = account::KeyRole::ReadOnly;
    keys[2].scopes = {"messages:send"};
    keys[2].credential.networks = {*net::parse_address_block("198.51.100.0/24")};
    keys[2].credential.expires = clock_.now() + std::chrono::hours(1);
    accounts_.snapshot = std::make_shared<account::StoredSnapshot>(
        std::vector<account::Credential>{}, std::move(keys));
    frame_.add("GET", "/v1/things/{id}", Access{"messages:read"}, echo);
    frame_.add("GET", "/v1/things/all", Access{"messages:read"}, echo);
    frame_.add("POST", "/v1/things", Access{"messages:send"}, echo);
    Access everybody;
    everybody.needs_key = false;
    frame_.add("GET", "/v1/open", everybody, echo);
  }

  static base::Task<void> run(Frame& frame, HttpRequest request, HttpResponse& response) {
    response = co_await frame.answer(std::move(request));
  }

  HttpRequest request(std::string method, std::string path, const std::string& key = {}) {
    HttpRequest made;
    made.method = std::move(method);
    made.path = std::move(path);
    made.client = boost::asio::ip::make_address("192.0.2.1");
    if (!key.empty()) made.headers.emplace_back("authorization", "Bearer " + secrets_.at(key));
    return made;
  }
  HttpResponse ask(HttpRequest request) {
    HttpResponse response;
    base::TaskGroup tasks(worker_);
    tasks.spawn(run(frame_, std::move(request), response));
    while (loop_.io().poll() > 0) {
    }
    loop_.io().restart();
    return response;
  }
  static std::string header(const HttpResponse& response, std::string_view name) {
    for (const auto& [key, value] : response.headers) {
      if (key == name) return value;
    }
    return {};
  }
  static json::object body(const HttpResponse& response) {
    return json::parse(response.body).as_object();
  }

  base::SeededRandom random_{1};
  test::FakeClock clock_;
  base::EventLoop loop_;
  base::Worker worker_{0, loop_.io().get_executor(), loop_.executor(), clock_, random_};
  account::HashKey node_key_{random_};
  Accounts accounts_;
  base::MessageIdSource ids_{1, 0, random_};
  base::Metrics metrics_;
  std::map<std::string, std::string> secrets_;
  Frame frame_{{worker_, accounts_, node_key_, ids_, metrics_}};
};

TEST_F(FrameTest, FindsThePathAndItsParameters) {
  HttpRequest asked = request("GET", "/v1/things/a%20b", "shop");
  asked.query = "x=1&y=%E3%81%82+z&&bad=%zz";
  HttpResponse response = ask(asked);
  EXPECT_EQ(response.status, 200u);
  EXPECT_EQ(response.body, "{\"tenant\":\"acme\",\"id\":\"a b\",\"?x\":\"1\",\"?y\":\"あ z\"}\n");
  EXPECT_EQ(ask(request("GET", "/v1/things/all", "shop")).body, "{\"tenant\":\"acme\"}\n");
  EXPECT_EQ(ask(request("HEAD", "/v1/things/all", "shop")).status, 200u);
}

TEST_F(FrameTest, SaysWhatIsNotThere) {
  const HttpResponse nowhere = ask(request("GET", "/v1/nothing", "shop"));
  EXPECT_EQ(nowhere.status, 404u);
  EXPECT_EQ(body(nowhere).at("type").as_string(), "urn:ekiden:problem:not-found");
  EXPECT_EQ(ask(request("GET", "/v1/things/", "shop")).status, 404u);
  EXPECT_EQ(ask(request("GET", "/v1/things/a/b", "shop")).status, 404u);
  const HttpResponse wrong = ask(request("DELETE", "/v1/things", "shop"));
  EXPECT_EQ(wrong.status, 405u);
  EXPECT_EQ(header(wrong, "Allow"), "POST");
}

TEST_F(FrameTest, WantsAValidKey) {
  const HttpResponse none = ask(request("GET", "/v1/things/1"));
  EXPECT_EQ(none.status, 401u);
  EXPECT_EQ(header(none, "WWW-Authenticate"), "Bearer realm=\"ekiden\"");
  EXPECT_EQ(ask(request("GET", "/v1/open")).status, 200u);
  for (const std::string text :
       {std::string("Bearer nonsense"), "Bearer ek_" + std::string(43, 'a'),
        "Bearer " + secrets_["shop"] + "x", std::string("Basic !!!"), std::string("Basic"),
        "Bearer " + std::string(10'000, 'a'), "Digest " + secrets_["shop"]}) {
    HttpRequest asked = request("GET", "/v1/things/1");
    asked.headers.emplace_back("authorization", text);
    EXPECT_EQ(ask(asked).status, 401u) << text;
  }
}

TEST_F(FrameTest, TakesTheKeyInEveryFormThatClientsHave) {
  const std::string key = secrets_["shop"];
  for (const auto& [name, value] : std::vector<std::pair<std::string, std::string>>{
           {"authorization", "bearer " + key},
           {"authorization", "Basic " + base::encode_base64("api:" + key)},
           {"authorization", "Bearer " + account::blastengine_token("shop", key)},
           {"x-postmark-server-token", key}}) {
    HttpRequest asked = request("GET", "/v1/things/1");
    asked.headers.emplace_back(name, value);
    EXPECT_EQ(ask(asked).status, 200u) << value;
  }
  // The login is a part of blastengine's token.
  HttpRequest other = request("GET", "/v1/things/1");
  other.headers.emplace_back("authorization",
                             "Bearer " + account::blastengine_token("reader", key));
  EXPECT_EQ(ask(other).status, 401u);
}

TEST_F(FrameTest, HoldsKeysToTheirScopesNetworksAndTime) {
  EXPECT_EQ(ask(request("GET", "/v1/things/1", "reader")).status, 200u);
  const HttpResponse refused = ask(request("POST", "/v1/things", "reader"));
  EXPECT_EQ(refused.status, 403u);
  EXPECT_NE(refused.body.find("messages:send"), std::string::npos);
  EXPECT_EQ(ask(request("POST", "/v1/things", "office")).status, 403u);
  HttpRequest at_home = request("POST", "/v1/things", "office");
  at_home.client = boost::asio::ip::make_address("198.51.100.9");
  EXPECT_EQ(ask(at_home).status, 200u);
  HttpRequest elsewhere = request("GET", "/v1/things/1", "office");
  elsewhere.client = at_home.client;
  EXPECT_EQ(ask(elsewhere).status, 403u);
  clock_.advance(std::chrono::hours(2));
  EXPECT_EQ(ask(at_home).status, 401u);
}

TEST_F(FrameTest, SpeaksTheLanguageThatIsAskedFor) {
  HttpRequest asked = request("GET", "/v1/things/1");
  asked.headers.emplace_back("accept-language", "fr, ja-JP;q=0.9, en;q=0.5");
  const HttpResponse response = ask(asked);
  EXPECT_EQ(body(response).at("title").as_string(), "APIキーが無効です");
  EXPECT_EQ(header(response, "Content-Language"), "ja");
  for (const std::string_view english :
       {"", "*", "en-US,ja;q=0.9", "ja;q=0.1,en;q=0.2", "de", ";;,,=", "ja;q=0", "ja;q=x"})
    EXPECT_EQ(choose_language(english), Language::English) << english;
  EXPECT_EQ(choose_language("JA"), Language::Japanese);
}

TEST_F(FrameTest, NamesEveryRequest) {
  HttpRequest asked = request("GET", "/v1/things/1");
  asked.headers.emplace_back("x-request-id", "order-17.a_b");
  const HttpResponse response = ask(asked);
  EXPECT_EQ(header(response, "X-Request-Id"), "order-17.a_b");
  EXPECT_EQ(body(response).at("request_id").as_string(), "order-17.a_b");
  asked.headers.back().second = "evil\r\nheader";
  EXPECT_EQ(header(ask(asked), "X-Request-Id").size(), 26u);
  EXPECT_NE(header(ask(asked), "X-Request-Id"), header(ask(asked), "X-Request-Id"));
}

TEST_F(FrameTest, JudgesByTheHeaderAlone) {
  EXPECT_FALSE(frame_.judge(request("POST", "/v1/things", "shop")));
  const auto refusal = frame_.judge(request("POST", "/v1/things"));
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->status, 401u);
  EXPECT_EQ(frame_.judge(request("POST", "/v1/nothing", "shop"))->status, 404u);
}

TEST_F(FrameTest, TellsAFamilysProblemsItsOwnWay) {
  frame_.add_family("/v3", [](const Problem& problem, const Caller&) {
    HttpResponse response;
    response.status = problem.status;
    response.body = "family: " + problem.code;
    return response;
  });
  frame_.add("POST", "/v3/mail/send", Access{"messages:send"}, echo);
  EXPECT_EQ(ask(request("POST", "/v3/mail/send")).body, "family: unauthorized");
  EXPECT_EQ(ask(request("GET", "/v3/other")).body, "family: not-found");
  EXPECT_EQ(body(ask(request("GET", "/v30/other"))).at("status").as_int64(), 404);
}

TEST(JsonBodies, WantAnObjectOfJson) {
  HttpRequest request;
  request.body = "{\"a\":1}";
  EXPECT_FALSE(read_json_body(request).problem);
  request.headers = {{"content-type", "Application/JSON; charset=utf-8"}};
  EXPECT_FALSE(read_json_body(request).problem);
  request.body = "[1]";
  EXPECT_EQ(read_json_body(request).problem->code, "not-json");
  request.body = "{";
  EXPECT_EQ(read_json_body(request).problem->status, 400u);
  request.headers = {{"content-type", "text/plain"}};
  EXPECT_EQ(read_json_body(request).problem->status, 415u);
}

}  // namespace
}  // namespace ekiden::api
