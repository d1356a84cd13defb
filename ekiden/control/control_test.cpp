#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <filesystem>
#include <future>
#include <thread>

#include "ekiden/base/runtime.hpp"
#include "ekiden/control/client.hpp"
#include "ekiden/control/handlers.hpp"
#include "ekiden/control/server.hpp"
#include "ekiden/control/shapes.hpp"

namespace ekiden::control {
namespace {

namespace json = boost::json;
using base::Task;

base::MessageId id_of(std::uint64_t n) {
  base::MessageId id;
  id.high = 0x0123456789abULL << 16;
  id.low = n;
  return id;
}

/// A queue in memory that does what it is told, slowly enough to be watched when asked to.
class FakeNode final : public NodeControl {
 public:
  explicit FakeNode(base::Worker& worker) : worker_(worker) {
    for (std::uint64_t i = 0; i < 2500; ++i) {
      QueuedRecipient r;
      r.message = id_of(i);
      r.recipient = "user" + std::to_string(i) + "@" + (i % 2 ? "odd.example" : "even.example");
      r.domain = i % 2 ? "odd.example" : "even.example";
      r.state = "waiting";
      r.reply = "450 4.2.0 later";
      queue_.push_back(r);
    }
  }

  Task<NodeStatus> status() override {
    NodeStatus status;
    status.version = "1";
    status.alerts = {"the disk is full"};
    co_return status;
  }
  Task<Outcome<QueuePage>> list(Filter filter, std::string cursor, std::size_t count) override {
    QueuePage page;
    std::size_t at = cursor.empty() ? 0 : std::stoul(cursor);
    for (; at < queue_.size() && page.items.size() < count; ++at) {
      if (wanted(filter, queue_[at])) page.items.push_back(queue_[at]);
    }
    if (at < queue_.size()) page.next = std::to_string(at);
    ++pages_;
    co_return Outcome<QueuePage>(std::move(page));
  }
  Task<QueueSummary> summary(Filter filter, GroupBy by) override {
    QueueSummary summary;
    for (const auto& r : queue_) summary.counts.queued += wanted(filter, r) ? 1 : 0;
    QueueGroup group;
    group.name = by == GroupBy::Tenant ? "tenants" : "sites";
    summary.groups.push_back(group);
    co_return summary;
  }
  Task<Outcome<std::vector<Explanation>>> explain(base::MessageId message,
                                                  std::optional<std::uint32_t>) override {
    std::vector<Explanation> all;
    for (const auto& r : queue_) {
      if (r.message != message) continue;
      Explanation explanation;
      explanation.recipient = r;
      explanation.reasons.push_back({"not_due", "", "the next attempt is due later", {}});
      all.push_back(explanation);
    }
    if (all.empty()) {
      Problem problem{"not_found", "no such message is queued"};
      co_return Outcome<std::vector<Explanation>>(std::move(problem));
    }
    co_return Outcome<std::vector<Explanation>>(std::move(all));
  }
  Task<Outcome<MessageView>> show(base::MessageId message) override {
    MessageView view;
    view.id = message;
    view.header = "Subject: caf\xe9\r\n";
    co_return Outcome<MessageView>(std::move(view));
  }
  Task<Outcome<std::shared_ptr<Operation>>> act(QueueAction action, Filter filter,
                                                std::string argument) override {
    std::string what = std::string(action_name(action)) + ": " + describe(filter);
    auto operation = operations_.begin(std::move(what), base::Time{});
    last_argument_ = argument;
    std::uint64_t count = 0;
    for (const auto& r : queue_) count += wanted(filter, r) ? 1 : 0;
    operation->expect(queue_.size());
    operation->matched(count);
    if (action == QueueAction::Bounce) {
      work(operation, 0, count);
    } else if (action != QueueAction::Delete) {
      operation->done(count);
      operation->finish(base::Time{});
    }
    co_return Outcome<std::shared_ptr<Operation>>(std::move(operation));
  }
  Task<Outcome<Suspension>> suspend(SuspendScope scope, std::optional<base::Time> until,
                                    std::string reason) override {
    Suspension suspension{scope, {}, until, reason};
    suspensions_.push_back(suspension);
    co_return Outcome<Suspension>(std::move(suspension));
  }
  Task<Outcome<Suspension>> resume(SuspendScope) override {
    if (suspensions_.empty()) {
      Problem problem{"not_found", "it is not suspended"};
      co_return Outcome<Suspension>(std::move(problem));
    }
    Suspension suspension = suspensions_.back();
    suspensions_.pop_back();
    co_return Outcome<Suspension>(std::move(suspension));
  }
  Task<std::vector<Suspension>> suspensions() override { co_return suspensions_; }
  Operations& operations() override { return operations_; }
  Task<Reloaded> reload() override {
    Reloaded reloaded;
    reloaded.messages = {"ekiden.toml:1:1: unknown key"};
    co_return reloaded;
  }
  Task<void> drain() override {
    is_draining_ = true;
    co_return;
  }

  static bool wanted(const Filter& filter, const QueuedRecipient& r) {
    FilterSubject subject;
    subject.domain = r.domain;
    subject.recipient = r.recipient;
    subject.message = r.message;
    subject.reply = r.reply;
    return matches(filter, subject);
  }

  /// Slices with a timer between, as a node does.
  void work(std::shared_ptr<Operation> operation, std::uint64_t step, std::uint64_t count) {
    constexpr std::uint64_t kSteps = 8;
    if (operation->is_cancelled() || step == kSteps) return operation->finish(base::Time{});
    operation->looked_at(queue_.size() / kSteps);
    operation->done(count / kSteps);
    worker_.clock.call_after(std::chrono::milliseconds(100),
                             [this, operation, step, count] { work(operation, step + 1, count); });
  }

  base::Worker& worker_;
  std::vector<QueuedRecipient> queue_;
  std::vector<Suspension> suspensions_;
  Operations operations_;
  std::string last_argument_;
  int pages_ = 0;
  bool is_draining_ = false;
};

/// A server on a worker's thread, clients on the test's.
class ControlSocket : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = testing::TempDir() + "ekiden_control_" + std::to_string(::getpid());
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directories(directory_);
    base::RuntimeOptions options;
    options.workers = 1;
    runtime_.emplace(options);
    node_.emplace(runtime_->worker(0));
    ServerOptions limits;
    limits.clients_max = 3;
    server_.emplace(runtime_->worker(0), limits);
    add_handlers(*server_, *node_, runtime_->worker(0).clock);
    runtime_->start();
    on_worker([this] { ASSERT_TRUE(server_->listen(socket_path(directory_))); });
  }
  void TearDown() override {
    std::promise<void> stopped;
    runtime_->worker(0).executor.post([&] { server_->stop([&] { stopped.set_value(); }); });
    stopped.get_future().wait();
    runtime_->stop();
    runtime_->drop();
    server_.reset();
    node_.reset();
    runtime_.reset();
    std::filesystem::remove_all(directory_);
  }
  void on_worker(std::function<void()> work) {
    std::promise<void> done;
    runtime_->worker(0).executor.post([&] {
      work();
      done.set_value();
    });
    done.get_future().wait();
  }
  Client connect() {
    auto client = Client::connect(directory_);
    EXPECT_TRUE(client) << client.problem.message;
    return std::move(*client.value);
  }
  Answer ask(const std::string& command, json::object arguments = {},
             std::vector<json::object>* items = nullptr) {
    Client client = connect();
    return client.call({command, std::move(arguments)}, [&](const json::object& item) {
      if (items != nullptr) items->push_back(item);
      return true;
    });
  }

  std::string directory_;
  std::optional<base::Runtime> runtime_;
  std::optional<FakeNode> node_;
  std::optional<Server> server_;
};

TEST_F(ControlSocket, BelongsToItsOwnerAlone) {
  struct stat found;
  ASSERT_EQ(::stat(socket_path(directory_).c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0600u);
}

TEST_F(ControlSocket, StreamsAListPageByPage) {
  std::vector<json::object> items;
  const Answer answer = ask("queue.list", {}, &items);
  ASSERT_TRUE(answer) << answer.problem.message;
  EXPECT_EQ(items.size(), 2500u);
  EXPECT_EQ(answer.value->at("shown").as_int64(), 2500);
  EXPECT_EQ(node_->pages_, 3);
  items.clear();
  const Answer some = ask("queue.list", {{"filter", {{"domain", "odd.*"}}}, {"limit", 7}}, &items);
  ASSERT_TRUE(some);
  EXPECT_EQ(items.size(), 7u);
  EXPECT_TRUE(some.value->at("more").as_bool());
}

TEST_F(ControlSocket, SummarisesShowsAndExplains) {
  const Answer summary = ask("queue.summary", {{"by", "tenant"}});
  ASSERT_TRUE(summary);
  EXPECT_EQ(summary.value->at("queued").as_int64(), 2500);
  EXPECT_EQ(summary.value->at("groups").as_array()[0].at("name").as_string(), "tenants");
  EXPECT_EQ(ask("queue.summary", {{"by", "moon"}}).problem.code, "bad_request");

  const std::string id = base::format_message_id(id_of(7));
  std::vector<json::object> items;
  ASSERT_TRUE(ask("queue.explain", {{"message", id}}, &items));
  ASSERT_EQ(items.size(), 1u);
  EXPECT_EQ(items[0].at("reasons").as_array()[0].at("kind").as_string(), "not_due");
  EXPECT_EQ(ask("queue.explain", {{"message", base::format_message_id(id_of(9999))}}).problem.code,
            "not_found");
  EXPECT_EQ(ask("queue.explain", {{"message", "x"}}).problem.code, "bad_request");
  const Answer shown = ask("message.show", {{"message", id}});
  ASSERT_TRUE(shown);
  EXPECT_EQ(shown.value->at("header").as_string(), "Subject: caf\\xe9\r\n");
}

TEST_F(ControlSocket, AnActionIsAnOperationWithItsProgress) {
  std::vector<json::object> items;
  const Answer answer = ask("queue.act",
                            {{"action", "bounce"},
                             {"argument", "by mistake"},
                             {"wait", 1},
                             {"filter", {{"domain", "even.example"}}}},
                            &items);
  ASSERT_TRUE(answer) << answer.problem.message;
  EXPECT_EQ(answer.value->at("state").as_string(), "done");
  EXPECT_EQ(answer.value->at("matched").as_int64(), 1250);
  EXPECT_EQ(answer.value->at("what").as_string(), "bounce: domain even.example");
  EXPECT_EQ(node_->last_argument_, "by mistake");
  EXPECT_FALSE(items.empty());
  const Answer list = ask("operation.list");
  EXPECT_EQ(list.value->at("operations").as_array().size(), 1u);
}

TEST_F(ControlSocket, AnOperationCanBeCancelledOnce) {
  const Answer started = ask("queue.act", {{"action", "bounce"}});
  ASSERT_TRUE(started);
  EXPECT_EQ(started.value->at("state").as_string(), "running");
  const auto id = started.value->at("operation");
  ASSERT_TRUE(ask("operation.cancel", {{"operation", id}}));
  const Answer ended = ask("operation.show", {{"operation", id}, {"wait", 1}});
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended.value->at("state").as_string(), "cancelled");
  EXPECT_EQ(ask("operation.cancel", {{"operation", id}}).problem.code, "conflict");
  EXPECT_EQ(ask("operation.show", {{"operation", 999}}).problem.code, "not_found");
}

TEST_F(ControlSocket, SuspendsAndResumes) {
  const Answer suspended = ask(
      "queue.suspend", {{"kind", "tenant"}, {"name", "shop"}, {"for_s", 60}, {"reason", "audit"}});
  ASSERT_TRUE(suspended) << suspended.problem.message;
  EXPECT_TRUE(suspended.value->contains("until"));
  EXPECT_EQ(ask("queue.suspensions").value->at("suspensions").as_array().size(), 1u);
  EXPECT_TRUE(ask("queue.resume", {{"kind", "tenant"}, {"name", "shop"}}));
  EXPECT_EQ(ask("queue.resume", {{"kind", "tenant"}, {"name", "shop"}}).problem.code, "not_found");
  EXPECT_EQ(ask("queue.suspend", {{"kind", "moon"}, {"name", "x"}}).problem.code, "bad_request");
  EXPECT_EQ(ask("queue.suspend", {{"kind", "site"}}).problem.code, "bad_request");
}

TEST_F(ControlSocket, RefusesWhatItDoesNotUnderstand) {
  EXPECT_EQ(ask("queue.dance").problem.code, "unknown_command");
  EXPECT_EQ(ask("queue.list", {{"filter", {{"dommain", "x"}}}}).problem.message,
            "the filter's field \"dommain\" is unknown");
  EXPECT_EQ(ask("queue.act", {{"action", "eat"}}).problem.code, "bad_request");
  EXPECT_EQ(ask("queue.act", {{"action", "reroute"}}).problem.code, "bad_request");
  EXPECT_EQ(ask("queue.list", {{"limit", "many"}}).problem.message,
            "\"limit\" takes a whole number");
}

TEST_F(ControlSocket, TellsReloadAndStatus) {
  const Answer reloaded = ask("reload");
  ASSERT_TRUE(reloaded);
  EXPECT_FALSE(reloaded.value->at("applied").as_bool());
  EXPECT_EQ(ask("status").value->at("alerts").as_array().size(), 1u);
  EXPECT_TRUE(ask("drain"));
  EXPECT_TRUE(node_->is_draining_);
}

TEST_F(ControlSocket, ServesManyRequestsOnOneConnection) {
  Client client = connect();
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(client.call({"status", {}}));
}

TEST_F(ControlSocket, TurnsAwayClientsPastItsLimit) {
  std::vector<Client> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(connect());
    ASSERT_TRUE(clients.back().call({"status", {}}));
  }
  Client late = connect();
  EXPECT_EQ(late.call({"status", {}}).problem.code, "unavailable");
}

TEST_F(ControlSocket, ClosesAfterALineThatIsNoRequest) {
  for (const std::string& line :
       {std::string("hello\n"), std::string("{\"ekiden\":99,\"command\":\"status\"}\n"),
        std::string(kRequestOctetsMax + 5000, 'a')}) {
    auto socket = net::UnixClient::connect(socket_path(directory_));
    ASSERT_TRUE(socket);
    ASSERT_TRUE(socket->send(line));
    const auto answer = socket->read_line(std::chrono::seconds(20), 4096);
    ASSERT_TRUE(answer);
    EXPECT_NE(answer->find("\"error\""), std::string::npos);
    const auto end = socket->read_line(std::chrono::seconds(20), 4096);
    ASSERT_FALSE(end);
  }
}

TEST_F(ControlSocket, ALiveSocketIsNotTakenOver) {
  on_worker([this] {
    auto second = net::listen_unix(runtime_->worker(0), socket_path(directory_), [](auto) {});
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error(), net::Errc::AddressInUse);
  });
  EXPECT_TRUE(ask("status"));
}

TEST_F(ControlSocket, EndsItsClientsWhenItStops) {
  Client client = connect();
  ASSERT_TRUE(client.call({"status", {}}));
  std::promise<void> stopped;
  runtime_->worker(0).executor.post([&] { server_->stop([&] { stopped.set_value(); }); });
  stopped.get_future().wait();
  EXPECT_EQ(client.call({"status", {}}).problem.code, "unavailable");
  EXPECT_FALSE(std::filesystem::exists(socket_path(directory_)));
}

TEST(Client, SaysThatNoRelayRuns) {
  const auto client = Client::connect("/nowhere/at/all");
  ASSERT_FALSE(client);
  EXPECT_EQ(client.problem.code, "not_running");
  EXPECT_EQ(Client::connect(std::string(200, 'a')).problem.code, "unavailable");
}

TEST(Filter, ReadsBackWhatItWrites) {
  Filter filter;
  filter.domain = "example.org";
  filter.message = id_of(5);
  filter.older_than = std::chrono::hours(1);
  filter.reply = "mailbox full";
  std::string problem;
  EXPECT_EQ(filter_from_json(to_json(filter), problem), filter);
  EXPECT_EQ(describe(filter), "domain example.org, reply mailbox full, message " +
                                  base::format_message_id(id_of(5)) + ", older than 1h");
  EXPECT_EQ(describe({}), "everything");
}

TEST(Filter, RefusesRatherThanWidens) {
  for (const char* text : {R"({"x":"y"})", R"({"domain":5})", R"({"domain":""})",
                           R"({"message":"x"})", R"({"older_than_us":-1})"}) {
    std::string problem;
    EXPECT_FALSE(filter_from_json(json::parse(text).as_object(), problem)) << text;
    EXPECT_FALSE(problem.empty());
  }
}

TEST(Filter, MatchesPatternsWithoutCase) {
  EXPECT_TRUE(matches_pattern("*@Example.org", "a.b@example.ORG"));
  EXPECT_TRUE(matches_pattern("*", ""));
  EXPECT_TRUE(matches_pattern("a*b*c", "aXXbYYc"));
  EXPECT_FALSE(matches_pattern("a*b*c", "aXXcYYb"));
  EXPECT_FALSE(matches_pattern("example.org", "sub.example.org"));
  EXPECT_FALSE(matches_pattern(std::string(50, '*') + "b", std::string(2000, 'a')));
  Filter filter;
  filter.sender = "<>";
  FilterSubject subject;
  EXPECT_TRUE(matches(filter, subject));
  subject.sender = "a@b.example";
  EXPECT_FALSE(matches(filter, subject));
  filter = {};
  filter.older_than = std::chrono::minutes(5);
  subject.age = std::chrono::minutes(5);
  EXPECT_FALSE(matches(filter, subject));
  subject.age += std::chrono::seconds(1);
  EXPECT_TRUE(matches(filter, subject));
  filter.reply = "FULL";
  subject.reply = "452 mailbox full";
  EXPECT_TRUE(matches(filter, subject));
}

TEST(Operations, KeepTheNewestAndRefuseTooMany) {
  Operations operations;
  for (std::size_t i = 0; i < Operations::kRunningMax; ++i) {
    ASSERT_NE(operations.begin("x", {}), nullptr);
  }
  EXPECT_EQ(operations.begin("x", {}), nullptr);
  operations.interrupt_all();
  EXPECT_TRUE(operations.find(1)->must_stop());
  EXPECT_FALSE(operations.find(1)->is_cancelled()) << "it goes on after a restart";
  for (const auto& view : operations.list()) operations.find(view.id)->finish({});
  for (std::size_t i = 0; i < Operations::kEndedMax + 10; ++i) {
    operations.begin("y", {})->finish({});
  }
  EXPECT_EQ(operations.list().size(), Operations::kEndedMax);
  EXPECT_EQ(operations.find(1), nullptr);
}

TEST(Protocol, ReadsOnlyItsOwnLines) {
  for (const char* text :
       {"", "{}", "[]", R"({"done":true})", R"({"done":true,"error":{}})", R"({"item":5})", "x",
        R"({"done":true,"error":{"code":1,"message":2}})"}) {
    EXPECT_FALSE(parse_line(text)) << text;
  }
  EXPECT_EQ(parse_request(R"({"ekiden":1})").problem.code, "bad_request");
  EXPECT_EQ(parse_request(R"({"ekiden":2,"command":"x"})").problem.code, "version");
  EXPECT_EQ(parse_request(std::string(5000, '[')).problem.code, "bad_line");
}

}  // namespace
}  // namespace ekiden::control
