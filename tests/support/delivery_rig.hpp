#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ekiden/base/task_group.hpp"
#include "ekiden/delivery/connection.hpp"
#include "ekiden/net/test_loop.hpp"
#include "tests/support/fake_resolver.hpp"
#include "tests/support/fake_server.hpp"

namespace ekiden::delivery {

/// For tests: jobs from a list, results into one.
class ListFeed final : public Feed {
 public:
  explicit ListFeed(base::Clock& clock) : clock_(clock) {}

  base::Task<std::optional<Job>> next(base::Steady deadline) override {
    if (deadline > clock_.steady()) ++waits;
    if (jobs.empty()) co_return std::nullopt;
    Job job = std::move(jobs.front());
    jobs.pop_front();
    ++taken;
    co_return job;
  }
  void finish(JobResult result) override { results.push_back(std::move(result)); }

  const RecipientResult& result(std::size_t job, std::size_t recipient = 0) const {
    return results.at(job).recipients.at(recipient);
  }

  std::deque<Job> jobs;
  std::vector<JobResult> results;
  std::size_t taken = 0, waits = 0;

 private:
  base::Clock& clock_;
};

/// For tests: files of bodies, nothing else.
class FilePort final : public spool::Port {
 public:
  void submit(spool::Transaction, base::Completion<Result<void>>) override {}
  void load(base::MessageId, base::Completion<Result<spool::Loaded>>) override {}
  void load_meta(base::MessageId, base::Completion<Result<std::string>>) override {}
  void load_progress(base::MessageId,
                     base::Completion<Result<std::vector<spool::Progress>>>) override {}
  void visit_metas(std::vector<base::MessageId>, spool::SeeMeta,
                   base::Completion<Result<void>>) override {}
  void visit_progress(std::vector<base::MessageId>, spool::SeeProgress,
                      base::Completion<Result<void>>) override {}
  void read(const spool::Body& body, std::uint64_t offset, std::size_t length,
            base::Completion<Result<base::Octets>> done) override {
    Result<base::Octets> slice = Error(net::Errc::Other);
    if (const auto found = files.find(body.file); found != files.end()) {
      slice = base::Octets(found->second.substr(std::min(offset, found->second.size()), length));
      largest = std::max(largest, slice->size());
    }
    executor->post(
        [slice = std::move(slice), done = std::move(done)]() mutable { done(std::move(slice)); });
  }
  std::unique_ptr<spool::LargeWriter> create_large() override { return nullptr; }

  std::map<std::string, std::string> files;
  std::size_t largest = 0;
  base::Executor* executor = nullptr;
};

/// For tests: a worker with a network, a resolver and a feed, and one connection at a time.
struct Rig {
  net::TestLoop loop;
  base::TaskGroup tasks{loop.worker()};
  test::FakeNetwork network{loop.worker()};
  test::FakeResolver dns{loop.clock()};
  FilePort spool;
  TlsMemory tls_memory;
  ListFeed feed{loop.clock()};
  std::vector<TlsRequest> handshakes;
  /// What the handshake at a level ends with; nothing: it works.
  std::map<TlsLevel, Error> tls_errors;
  bool is_tls_verified = true;
  ConnectionContext context{loop.worker(), tasks,      loop.loop().executor(), dns, network, spool,
                            tls_memory,    StartTls(), ConnectionOptions()};
  Plan plan;
  std::optional<ConnectionEnd> end;
  std::uint64_t next_id = 1;

  Rig() {
    spool.executor = &loop.loop().executor();
    context.start_tls = [this](std::unique_ptr<net::Stream> stream, TlsRequest request,
                               base::Steady deadline, std::string&) {
      return handshake(std::move(stream), std::move(request), deadline);
    };
    plan.ehlo_name = "relay.example";
    plan.route = "mx";
    dns.a("mx.example", "8.8.8.8");
    target("mx.example");
  }

  Target& target(std::string host, std::uint16_t preference = 10) {
    Target target;
    target.host = std::move(host);
    target.preference = preference;
    target.is_from_mx = true;
    plan.targets.push_back(std::move(target));
    return plan.targets.back();
  }
  test::FakeNetwork::Host& host(const std::string& endpoint = "8.8.8.8:25") {
    return network.host(endpoint);
  }
  test::FakeServer& server(std::size_t i = 0) { return *network.servers.at(i); }

  base::Task<Result<std::unique_ptr<net::Stream>>> handshake(std::unique_ptr<net::Stream> stream,
                                                             TlsRequest request, base::Steady) {
    handshakes.push_back(request);
    if (const auto error = tls_errors.find(request.level); error != tls_errors.end()) {
      co_return error->second;
    }
    if (request.verify && !is_tls_verified) co_return Error(net::Errc::Tls);
    net::TlsInfo info;
    info.version = "TLSv1.3";
    info.cipher = "TLS_AES_256_GCM_SHA384";
    info.is_verified = request.verify;
    static_cast<test::MemoryStream&>(*stream).tls_info = info;
    co_return stream;
  }

  static std::shared_ptr<message::Meta> meta(std::vector<std::string> recipients) {
    auto meta = std::make_shared<message::Meta>();
    meta->envelope.reverse_path = "a@example.org";
    for (std::string& address : recipients) {
      message::Recipient recipient;
      recipient.address = std::move(address);
      meta->envelope.recipients.push_back(std::move(recipient));
    }
    return meta;
  }
  Job job(std::shared_ptr<const message::Meta> meta, std::string body) {
    Job job;
    job.id.low = next_id++;
    job.body.size = body.size();
    job.body.octets = base::Octets(std::move(body));
    for (std::uint32_t i = 0; i < meta->envelope.recipients.size(); ++i)
      job.recipients.push_back(i);
    job.meta = std::move(meta);
    return job;
  }
  void add(std::vector<std::string> recipients = {"b@example.net"},
           std::string body = "Subject: x\r\n\r\nhello\r\n") {
    feed.jobs.push_back(job(meta(std::move(recipients)), std::move(body)));
  }

  base::Task<void> connect() {
    auto own_plan = std::make_shared<const Plan>(plan);
    end = co_await run_connection(context, own_plan, feed);
  }
  /// Starts the connection and runs until nothing more happens by itself.
  void start() {
    base::Task<void> task = connect();
    tasks.spawn(std::move(task));
    settle();
  }
  void settle() {
    for (int i = 0; i < 200; ++i) {
      loop.settle();
      loop.clock().advance(base::Duration(0));
    }
  }
  /// Runs the connection to its end, letting up to an hour pass.
  const ConnectionEnd& run() {
    end.reset();
    start();
    for (int minutes = 0; !end && minutes < 60; ++minutes) {
      loop.clock().advance(std::chrono::minutes(1));
      settle();
    }
    EXPECT_TRUE(end.has_value()) << "the connection never ends";
    return *end;
  }
  void pass(base::Duration time) {
    loop.clock().advance(time);
    settle();
  }
};

}  // namespace ekiden::delivery
