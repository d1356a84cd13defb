#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "ekiden/account/store.hpp"
#include "ekiden/api/frame.hpp"
#include "ekiden/api/idempotency.hpp"
#include "ekiden/api/sender.hpp"
#include "ekiden/base/pool_task.hpp"
#include "ekiden/config/settings.hpp"
#include "ekiden/webhook/ledger.hpp"

namespace ekiden::api {

/// What a request on the control store comes to.
struct Answer {
  HttpResponse response;
  std::optional<Problem> problem;

  Answer() = default;
  Answer(HttpResponse with) : response(std::move(with)) {}
  Answer(Problem why) : problem(std::move(why)) {}
  Answer(const boost::json::object& object) : response(json_response(200, object)) {}
};
/// 201 with where the new thing is.
Answer created(const boost::json::object& object, std::string location);
/// 204.
Answer no_content();

/// Whose things a request is about; empty: everybody's.
struct Chosen {
  std::string tenant;
  std::optional<Problem> problem;
};

/// One request on the control store, on the pool.
struct StoreCall {
  const Call& call;
  account::Store& store;
  const account::HashKey& node_key;
  webhook::Ledger& ledger;
  base::Random& random;
  std::shared_ptr<const config::Settings> settings;
  account::Author author;

  base::Time now() const { return author.now; }
  const Caller& caller() const { return call.caller; }
  /// Of a tenant's key its own tenant; an operator's may name one in the query, or see all.
  Chosen tenant_to_see() const { return choose(call.query.get("tenant"), true); }
  /// The same for a change: without a name, the key's own tenant.
  Chosen tenant_to_change(std::string_view named) const { return choose(named, false); }
  bool may_see(std::string_view tenant) const {
    return caller().is_operator() || tenant == caller().tenant();
  }

 private:
  Chosen choose(std::string_view named, bool may_be_all) const;
};

using StoreWork = std::function<Answer(StoreCall& on)>;

/// The control store behind the pool, for requests of any worker: audited, and with an
/// Idempotency-Key done once. Kept answers are sealed with the node's key, since some hold secrets.
///
/// A crash between a change and the keeping of its answer leaves the key claimed; the repetition is
/// done anew, and a change that was made already then answers 409 by itself.
///
/// Sharing: any worker. Everything in `Parts` outlives the pool.
class StoreDesk {
 public:
  /// Requests that are under way or wait; further ones are 503.
  static constexpr int kWaitingMax = 64;

  struct Parts {
    base::Executor& pool;
    account::Store& store;
    const account::HashKey& node_key;
    webhook::Ledger& ledger;
    base::Worker& home;
    /// As they are now; on `home`.
    std::function<std::shared_ptr<const config::Settings>()> settings;
    IdempotencyBook& idempotency;
  };
  explicit StoreDesk(Parts parts) : parts_(std::move(parts)) {}

  /// A route whose answer is one piece of work on the pool.
  void add(Frame& frame, std::string method, std::string path, Access access, StoreWork work,
           FormatProblem format = own_problem);

  /// A route that does more than that: `handle` is called once for an Idempotency-Key, and asks the
  /// store by `ask`.
  using Handler = std::function<base::Task<Answer>(std::shared_ptr<Call> call)>;
  void add_handler(Frame& frame, std::string method, std::string path, Access access,
                   Handler handle, FormatProblem format = own_problem);

  /// Does `work` on the pool; 503 when too many wait.
  base::Task<Answer> ask(base::Worker& worker, std::shared_ptr<Call> call, StoreWork work);
  base::Task<std::shared_ptr<const config::Settings>> settings(base::Worker& asking);

 private:
  base::Task<HttpResponse> guard(base::Worker& worker, std::shared_ptr<Call> call, Handler handle,
                                 FormatProblem format);

  Parts parts_;
  std::mutex random_mutex_;
  base::SystemRandom random_;
  class LockedRandom;
  std::atomic<int> waiting_{0};
};

/// What the store said, as a problem: 404, 409, 422 or 503. `what`: what it was asked about.
Problem problem_of(const Error& error, std::string_view what);
Problem no_such(std::string_view what);
Problem conflict(Text detail);

}  // namespace ekiden::api
