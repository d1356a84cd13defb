#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ekiden/delivery/dispatcher.hpp"
#include "tests/support/fake_spool.hpp"

namespace ekiden::test {

/// A spool that keeps nothing: what is submitted is durable in the next turn.
class NullSpool final : public FakeSpool {
 public:
  explicit NullSpool(base::Executor& home) : FakeSpool(home), home_(home) {}
  void submit(spool::Transaction, base::Completion<Result<void>> done) override {
    home_.post([done = std::move(done)]() mutable { done(Result<void>()); });
  }

 private:
  base::Executor& home_;
};

/// The dispatchers of some workers without a network or a disk: every domain is a site of its own,
/// whose peer takes each message in `latency`.
class DispatchRig {
 public:
  /// The provider of a domain; null: none is known.
  using ProfileOf = std::function<std::shared_ptr<const shaping::Profile>(std::string_view domain)>;
  /// A transaction begins.
  using Sent = std::function<void(const delivery::Plan& plan, const delivery::Job& job)>;

  DispatchRig(const std::vector<base::Worker*>& workers, delivery::DispatcherOptions options,
              ProfileOf profile_of, Sent sent)
      : workers_(workers),
        routing_(std::move(profile_of)),
        sent_(std::move(sent)),
        neighbours_(executors(workers)) {
    for (base::Worker* const worker : workers) {
      spools_.push_back(std::make_unique<NullSpool>(worker->executor));
      dispatchers_.push_back(std::make_unique<delivery::Dispatcher>(
          delivery::Dispatcher::Parts{
              *worker, *spools_.back(), *spools_.back(), budget_, routing_, neighbours_, metrics_,
              [this, worker](std::shared_ptr<const delivery::Plan> plan, delivery::Feed& feed) {
                return connection(*worker, std::move(plan), feed);
              }},
          options, settlement()));
    }
  }
  /// Before the loop that runs them drops its work: connections that wait end.
  void drop() {
    for (const auto& dispatcher : dispatchers_) dispatcher->drop_waiting();
  }

  base::Duration latency{};  ///< zero: within the turn
  /// Whose connections fail; null: nobody's.
  std::function<bool(const delivery::Plan& plan)> is_dead;
  std::uint64_t sent = 0, connections = 0;

  /// Taken over by worker `at`, for one recipient.
  void take(unsigned at, const std::shared_ptr<const message::Meta>& meta) {
    queue::Accepted message;
    message.id = {static_cast<std::uint64_t>(base::to_unix_us(workers_[at]->clock.now()) / 1000)
                      << 16,
                  ++last_id_};
    message.meta = meta;
    dispatchers_[at]->take(std::move(message));
  }
  static std::shared_ptr<const message::Meta> meta(const std::string& domain,
                                                   const std::string& tenant,
                                                   const std::string& stream, base::Time received) {
    auto meta = std::make_shared<message::Meta>();
    meta->envelope.reverse_path = "bounces@" + tenant + ".example";
    meta->envelope.recipients.push_back({.address = "someone@" + domain});
    meta->details.tenant = tenant;
    meta->details.stream = stream;
    meta->details.received = received;
    meta->details.subject = "The news of this week";
    meta->details.header_from = "news@" + tenant + ".example";
    meta->details.message_id = "<20261122.1@" + tenant + ".example>";
    meta->details.size = 10'240;
    return meta;
  }
  delivery::Dispatcher& at(unsigned worker) { return *dispatchers_[worker]; }
  std::uint64_t queued() const {
    std::uint64_t queued = 0;
    for (const auto& dispatcher : dispatchers_) queued += dispatcher->scheduler().size();
    return queued;
  }

 private:
  class EachDomain final : public delivery::Routing {
   public:
    explicit EachDomain(ProfileOf profile_of) : profile_of_(std::move(profile_of)) {}
    std::shared_ptr<const delivery::Routed> route(std::string_view domain,
                                                  std::string_view) override {
      const auto known = routed_.find(domain);
      if (known != routed_.end()) return known->second;
      auto plan = std::make_shared<delivery::Plan>();
      plan->site = "mx." + std::string(domain);
      plan->route = "mx";
      plan->profile = profile_of_(domain);
      auto routed = std::make_shared<delivery::Routed>();
      routed->kind = delivery::Routed::Kind::Direct;
      routed->plan = std::move(plan);
      return routed_.emplace(domain, std::move(routed)).first->second;
    }
    base::Task<delivery::MxPlanned> plan_mx(std::string, std::size_t) override {
      co_return delivery::MxPlanned{};
    }

   private:
    ProfileOf profile_of_;
    struct NameHash : std::hash<std::string_view> {
      using is_transparent = void;
    };
    std::unordered_map<std::string, std::shared_ptr<const delivery::Routed>, NameHash,
                       std::equal_to<>>
        routed_;
  };

  static std::vector<base::Executor*> executors(const std::vector<base::Worker*>& workers) {
    std::vector<base::Executor*> all;
    for (base::Worker* const worker : workers) all.push_back(&worker->executor);
    return all;
  }
  static delivery::SettlementOptions settlement() {
    delivery::SettlementOptions options;
    options.hostname = "relay.example";
    options.logs_dispositions = false;
    return options;
  }

  base::Task<delivery::ConnectionEnd> connection(base::Worker& worker,
                                                 std::shared_ptr<const delivery::Plan> plan,
                                                 delivery::Feed& feed) {
    ++connections;
    if (is_dead && is_dead(*plan)) {
      delivery::ConnectionEnd end;
      end.is_failure = true;
      end.reply = smtp::parse_reply_text("451 4.4.1 connection refused");
      co_return end;
    }
    for (;;) {
      std::optional<delivery::Job> job =
          co_await feed.next(worker.clock.steady() + std::chrono::seconds(5));
      if (!job) break;
      sent += job->recipients.size();
      if (sent_) sent_(*plan, *job);
      if (latency > base::Duration::zero()) {
        auto begin = [this, &worker](base::Completion<bool> done) {
          worker.clock.call_after(latency, [done = std::move(done)]() mutable { done(true); });
        };
        (void)co_await base::suspend<bool>(std::move(begin));
      }
      delivery::JobResult result;
      result.id = job->id;
      result.duration = latency;
      for (const std::uint32_t recipient : job->recipients) {
        delivery::RecipientResult& one = result.recipients.emplace_back();
        one.recipient = recipient;
        one.outcome = delivery::Outcome::Delivered;
      }
      job.reset();
      feed.finish(std::move(result));
    }
    co_return delivery::ConnectionEnd{};
  }

  std::vector<base::Worker*> workers_;
  base::Metrics metrics_;
  queue::MemoryBudget budget_{std::uint64_t{1} << 40};
  EachDomain routing_;
  Sent sent_;
  delivery::Neighbours neighbours_;
  std::vector<std::unique_ptr<NullSpool>> spools_;
  std::vector<std::unique_ptr<delivery::Dispatcher>> dispatchers_;
  std::uint64_t last_id_ = 0;
};

}  // namespace ekiden::test
