// The sink over real sockets: what a client sees, and what lies in the maildir afterwards.
#include "ekiden/cli/sink.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "ekiden/base/text.hpp"
#include "ekiden/cli/sink_rule.hpp"

namespace ekiden::cli {
namespace {

/// A blocking client; every wait ends after 30 seconds.
class Client {
 public:
  explicit Client(const net::Endpoint& to) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    const timeval limit{30, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(to.port);
    ::inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    EXPECT_EQ(::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  ~Client() { ::close(socket_); }

  void send(std::string_view octets) {
    while (!octets.empty()) {
      const ssize_t n = ::send(socket_, octets.data(), octets.size(), MSG_NOSIGNAL);
      if (n <= 0) return;
      octets.remove_prefix(static_cast<std::size_t>(n));
    }
  }
  /// The last line of the next reply; "" when the server has closed.
  std::string reply() {
    for (;;) {
      std::size_t end;
      while ((end = pending_.find("\r\n")) == std::string::npos) {
        char buffer[4096];
        const ssize_t n = ::recv(socket_, buffer, sizeof buffer, 0);
        if (n <= 0) return "";
        pending_.append(buffer, static_cast<std::size_t>(n));
      }
      const std::string line = pending_.substr(0, end);
      pending_.erase(0, end + 2);
      if (line.size() < 4 || line[3] != '-') return line;
    }
  }
  std::string say(std::string_view line) {
    send(std::string(line) + "\r\n");
    return reply();
  }
  void greet() {
    EXPECT_TRUE(reply().starts_with("220 "));
    EXPECT_TRUE(say("EHLO client.example").starts_with("250 "));
  }
  std::string deliver(const std::string& to, const std::string& body) {
    if (auto r = say("MAIL FROM:<a@b.example>"); !r.starts_with("250")) return r;
    if (auto r = say("RCPT TO:<" + to + ">"); !r.starts_with("250")) return r;
    if (auto r = say("DATA"); !r.starts_with("354")) return r;
    return say(body + "\r\n.");
  }

 private:
  int socket_;
  std::string pending_;
};

class SinkTest : public testing::Test {
 protected:
  SinkTest() {
    char name[] = "/tmp/ekiden-sink-XXXXXX";
    directory_ = ::mkdtemp(name);
    options_.listen = {"127.0.0.1:0"};
    options_.maildir = directory_;
    options_.workers = 2;
  }
  ~SinkTest() override { std::filesystem::remove_all(directory_); }

  void start() {
    std::string why;
    bool is_usage = false;
    sink_ = Sink::start(options_, why, is_usage);
    ASSERT_TRUE(sink_) << why;
  }
  Client connect() { return Client(sink_->endpoints().front()); }

  static std::string read(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::stringstream out;
    out << file.rdbuf();
    return out.str();
  }
  std::vector<std::filesystem::path> messages() const {
    std::vector<std::filesystem::path> out;
    for (const auto& entry : std::filesystem::directory_iterator(directory_ + "/new")) {
      out.push_back(entry.path());
    }
    return out;
  }

  std::string directory_;
  SinkOptions options_;
  std::unique_ptr<Sink> sink_;
};

TEST_F(SinkTest, KeepsTheOctetsAndTheEnvelope) {
  start();
  Client client = connect();
  client.greet();
  EXPECT_TRUE(client.say("MAIL FROM:<a@b.example> BODY=8BITMIME SIZE=10 RET=HDRS ENVID=e1")
                  .starts_with("250"));
  EXPECT_TRUE(
      client.say("RCPT TO:<c@d.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;x@y").starts_with("250"));
  EXPECT_TRUE(client.say("RCPT TO:<e..f@docomo.ne.jp>").starts_with("250"));
  EXPECT_TRUE(client.say("DATA").starts_with("354"));
  EXPECT_TRUE(client.say("Subject: \xe3\x81\x82\r\n\r\n..dot\r\nend\r\n.").starts_with("250"));
  ASSERT_EQ(messages().size(), 1u);
  EXPECT_EQ(read(messages()[0]), "Subject: \xe3\x81\x82\r\n\r\n.dot\r\nend\r\n");
  const auto envelope = boost::json::parse(
      read(directory_ + "/envelope/" + messages()[0].filename().string() + ".json"));
  EXPECT_EQ(envelope.at("from").as_string(), "a@b.example");
  EXPECT_EQ(boost::json::serialize(envelope.at("to")), R"(["c@d.example","e..f@docomo.ne.jp"])");
  EXPECT_EQ(envelope.at("helo").as_string(), "client.example");
  EXPECT_EQ(envelope.at("client").as_string(), "127.0.0.1");
  EXPECT_TRUE(envelope.at("tls").is_null());
  EXPECT_EQ(boost::json::serialize(envelope.at("params")),
            R"({"mail":{"SIZE":10,"BODY":"8BITMIME","RET":"HDRS","ENVID":"e1"},)"
            R"("rcpt":[{"NOTIFY":"SUCCESS,DELAY","ORCPT":"rfc822;x@y"},{}]})");
  sink_->stop();
  EXPECT_EQ(sink_->totals().messages, 1u);
  EXPECT_EQ(sink_->totals().recipients, 2u);
}

TEST_F(SinkTest, TakesPipelinedBinaryChunks) {
  start();
  Client client = connect();
  client.greet();
  const std::string octets("a\nb\0c", 5);
  client.send("MAIL FROM:<> BODY=BINARYMIME\r\nRCPT TO:<c@d.example>\r\nBDAT 3\r\n" +
              octets.substr(0, 3) + "BDAT 2 LAST\r\n" + octets.substr(3));
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(client.reply().starts_with("250"));
  ASSERT_EQ(messages().size(), 1u);
  EXPECT_EQ(read(messages()[0]), octets);
}

TEST_F(SinkTest, LargeMessagesArriveWhole) {
  start();
  Client client = connect();
  client.greet();
  std::string body = "Subject: x\r\n\r\n";
  for (int i = 0; i < 80'000; ++i)
    body += "A line of the large body, number " + std::to_string(i) + "\r\n";
  body += "end";
  EXPECT_TRUE(client.deliver("c@d.example", body).starts_with("250"));
  ASSERT_EQ(messages().size(), 1u);
  EXPECT_EQ(read(messages()[0]), body + "\r\n");
}

TEST_F(SinkTest, RulesRejectAndDefer) {
  options_.reject = {"bad-*@*=550 5.1.1 No such user", "mail:evil@*", "data:nodata@*=554 5.7.1 no"};
  options_.defer = {"slow@*", "eod:late@*=450 4.2.0 Not now", "0%"};
  start();
  Client client = connect();
  client.greet();
  EXPECT_EQ(client.deliver("BAD-1@x.example", "x"), "550 5.1.1 No such user");
  EXPECT_TRUE(client.say("RCPT TO:<slow@x.example>").starts_with("451 4.7.1"));
  EXPECT_TRUE(client.say("RCPT TO:<late@x.example>").starts_with("250"));
  EXPECT_TRUE(client.say("DATA").starts_with("354"));
  EXPECT_EQ(client.say("x\r\n."), "450 4.2.0 Not now");
  EXPECT_TRUE(client.say("MAIL FROM:<evil@x.example>").starts_with("550"));
  EXPECT_EQ(client.deliver("nodata@x.example", "x"), "554 5.7.1 no");
  EXPECT_TRUE(client.say("RSET").starts_with("250"));
  EXPECT_TRUE(client.deliver("good@x.example", "x").starts_with("250"));
  EXPECT_EQ(messages().size(), 1u);
}

TEST_F(SinkTest, DropsAfterTheFinalDotWithAndWithoutStoring) {
  options_.drop = {"eod:lost@*", "stored:kept@*"};
  start();
  for (const std::string to : {"lost@x.example", "kept@x.example"}) {
    Client client = connect();
    client.greet();
    EXPECT_EQ(client.deliver(to, "x"), "");
  }
  EXPECT_EQ(messages().size(), 1u);
  EXPECT_EQ(sink_->totals().dropped, 2u);
  EXPECT_EQ(sink_->totals().messages, 1u);
}

TEST_F(SinkTest, AsksForThePassword) {
  options_.auth = "user:pass";
  start();
  Client client = connect();
  client.greet();
  EXPECT_TRUE(client.say("MAIL FROM:<a@b.example>").starts_with("530"));
  const std::string wrong("\0user\0bad", 9);
  EXPECT_TRUE(client.say("AUTH PLAIN " + base::encode_base64(wrong)).starts_with("535"));
  EXPECT_TRUE(client.say("AUTH LOGIN").starts_with("334"));
  EXPECT_TRUE(client.say(base::encode_base64("user")).starts_with("334"));
  EXPECT_TRUE(client.say(base::encode_base64("pass")).starts_with("235"));
  EXPECT_TRUE(client.deliver("c@d.example", "x").starts_with("250"));
  ASSERT_EQ(messages().size(), 1u);
  const std::string json =
      read(directory_ + "/envelope/" + messages()[0].filename().string() + ".json");
  EXPECT_NE(json.find(R"("auth":"user")"), std::string::npos);
}

TEST_F(SinkTest, OffersStartTlsWithACertificateOfItsOwn) {
  options_.tls = "starttls";
  start();
  Client client = connect();
  client.greet();
  EXPECT_TRUE(client.say("STARTTLS").starts_with("220"));
}

TEST_F(SinkTest, StopsWithConnectionsOpen) {
  start();
  Client client = connect();
  client.greet();
  sink_->stop();
  EXPECT_EQ(client.reply(), "");
}

TEST(SinkOptions, NonsenseIsAUsageErrorThatNamesIt) {
  const auto refuse = [](auto change) {
    SinkOptions options;
    options.listen = {"127.0.0.1:0"};
    change(options);
    std::string why;
    bool is_usage = false;
    EXPECT_FALSE(Sink::start(options, why, is_usage));
    EXPECT_TRUE(is_usage);
    EXPECT_FALSE(why.empty());
  };
  refuse([](SinkOptions& o) { o.listen = {"localhost"}; });
  refuse([](SinkOptions& o) { o.reject = {"x=nope"}; });
  refuse([](SinkOptions& o) { o.defer = {"150%"}; });
  refuse([](SinkOptions& o) { o.drop = {"eod=250 ok"}; });
  refuse([](SinkOptions& o) { o.latency = {"soon"}; });
  refuse([](SinkOptions& o) { o.tls = "maybe"; });
  refuse([](SinkOptions& o) { o.auth = "user"; });
  refuse([](SinkOptions& o) { o.certificate = "x.pem"; });
}

TEST(SinkRule, ReadsStagePatternShareAndReply) {
  std::string why;
  const auto rule = parse_sink_rule("eod:*@x.example 12.5%=450 4.2.0 Not now", {}, why);
  ASSERT_TRUE(rule);
  EXPECT_EQ(rule->stage, SinkStage::Eod);
  EXPECT_EQ(rule->pattern, "*@x.example");
  EXPECT_EQ(rule->share, 0.125);
  EXPECT_EQ(rule->reply.text(), "450 4.2.0 Not now");
  EXPECT_EQ(parse_sink_rule("10%", {}, why)->share, 0.1);
  EXPECT_EQ(parse_sink_rule("connect", {}, why)->stage, SinkStage::Connect);
  EXPECT_EQ(parse_sink_rule("mailer@x", {}, why)->pattern, "mailer@x");
  EXPECT_EQ(parse_sink_latency("rcpt:1.5s", why)->delay, base::Duration(1'500'000));
}

TEST(Pattern, StarAndQuestionMark) {
  EXPECT_TRUE(fits_pattern("abc", "a*c"));
  EXPECT_TRUE(fits_pattern("ABC@x", "*bc@?"));
  EXPECT_TRUE(fits_pattern("", "*"));
  EXPECT_FALSE(fits_pattern("abc", "ab"));
  EXPECT_FALSE(fits_pattern("ab", "ab?"));
  EXPECT_TRUE(fits_pattern("aaaaaaaaaaaaaaaaaaaaaaaaab", "*a*a*a*a*b"));
}

}  // namespace
}  // namespace ekiden::cli
