#pragma once

#include <boost/json/object.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ekiden/api/composer.hpp"
#include "ekiden/api/draft.hpp"
#include "ekiden/api/idempotency.hpp"
#include "ekiden/api/router.hpp"
#include "ekiden/base/pool_task.hpp"
#include "ekiden/inbound/services.hpp"
#include "ekiden/inbound/submission.hpp"
#include "ekiden/smtp/command.hpp"

namespace ekiden::api {

/// A message that is ready for admission, or why it is not.
struct Prepared {
  smtp::MailCommand mail;
  std::vector<smtp::RcptCommand> recipients;
  std::vector<std::string> pointers;  ///< where each recipient stands in the request
  std::string octets;
  std::optional<base::Time> send_at;
  std::string batch, pool;
  std::string stream;  ///< empty: the key's
  account::SuppressionBypass bypass;
  std::vector<Unmapped> unmapped;
  std::optional<Problem> problem;
};

/// Checks and composes a draft. Pure; on the pool when the draft is large.
Prepared prepare(const Draft& draft, base::Time now, const std::string& base_pointer = {});

/// A message as its sender made it. `recipients` and `return_path` as given; line ends of any kind
/// become CRLF.
struct RawMessage {
  std::string return_path;
  std::vector<std::string> recipients;
  std::string octets;
};
Prepared prepare_raw(RawMessage raw);

/// What became of one message.
struct Sent {
  std::optional<Problem> problem;
  base::MessageId id;
  std::size_t recipients = 0;
  std::vector<std::string> suppressed;  ///< of the recipients, those on the suppression list
  std::optional<base::Time> send_at;
  std::vector<Unmapped> unmapped;
};

/// The messages of one request, or why the whole request is none.
struct PreparedBatch {
  std::vector<Prepared> messages;
  std::optional<Problem> problem;
};
PreparedBatch one_problem(Problem problem);
/// Of a body that is one message: a JSON object, which `prepare` reads.
using PrepareObject = std::function<Prepared(const boost::json::object& object)>;
PreparedBatch prepare_one(const HttpRequest& request, const PrepareObject& prepare);

/// Sends for every API of one worker: the same admission and the same spool transaction as SMTP.
///
/// Sharing: its worker only.
class Sender {
 public:
  struct Parts {
    base::Worker& worker;
    base::Executor& pool;
    inbound::Services& services;
    std::function<std::shared_ptr<const inbound::ListenerOptions>()> submission;
    IdempotencyBook& idempotency;
    /// Whether the event store knows the message: of one that a crash cut short and that has left
    /// the spool since.
    std::function<base::Task<bool>(base::MessageId)> was_stored;
  };
  explicit Sender(Parts parts) : parts_(std::move(parts)) {}

  /// Work of a request of so many octets: right here when it is short, else on the pool.
  static constexpr std::size_t kInlineOctetsMax = 64 * 1024;
  template <class T>
  base::Task<T> work_on(std::size_t octets, base::Function<T()> work) {
    if (octets <= kInlineOctetsMax) co_return work();
    co_return co_await base::run_on<T>(parts_.pool, parts_.worker, std::move(work));
  }

  /// Durable when it returns without a problem. With an `id` the message is stored under it, and
  /// not again when `is_resumed` and it was before.
  base::Task<Sent> send(std::shared_ptr<Call> call, Prepared prepared, base::MessageId id = {},
                        bool is_resumed = false);

  /// Sends all of them; `answer` makes the response of what became of each. Where the request has
  /// an Idempotency-Key a repetition gets the same response, and another request 409.
  using MakeAnswer = std::function<HttpResponse(const Call& call, std::vector<Sent> sent)>;
  base::Task<HttpResponse> send_all(std::shared_ptr<Call> call, std::vector<Prepared> prepared,
                                    MakeAnswer answer, FormatProblem refuse);

  /// The first half of what an Idempotency-Key asks for: an answer to give instead of doing the
  /// work again, or ids to do it with. Without a key always ids.
  struct Claimed {
    std::optional<HttpResponse> answer;
    std::vector<base::MessageId> ids;
    bool is_resumed = false;  ///< a crash cut the same request short: some may be done already
    std::optional<IdempotencyBook::Request> request;  ///< of a key
  };
  base::Task<Claimed> claim(std::shared_ptr<Call> call, std::size_t ids, FormatProblem refuse);
  /// The second half: the answer is kept, or the key is free again where nothing was done.
  enum class Outcome : std::uint8_t { Done, Nothing };
  base::Task<void> settle(std::optional<IdempotencyBook::Request> request, unsigned status,
                          std::string body, Outcome outcome);

  /// An endpoint that claims no key itself, done once for an Idempotency-Key: an answer of success
  /// is kept, any other leaves the key free.
  Endpoint once(Endpoint endpoint, FormatProblem refuse);

  /// Whether the caller may send from these addresses on this stream; empty: the key's own.
  std::optional<Problem> may_send(const Call& call, const std::string& from,
                                  const std::string& return_path, const std::string& stream) const;

  /// Where a request is prepared: a large one on the pool, and one that reads a store.
  enum class Where : std::uint8_t { BySize, Pool };
  /// A whole request: prepares it, then sends what came of it.
  base::Task<HttpResponse> handle(std::shared_ptr<Call> call,
                                  base::Function<PreparedBatch()> prepare, MakeAnswer answer,
                                  FormatProblem refuse, Where where = Where::BySize);

  base::Task<bool> is_stored(base::MessageId id);

  /// Whether mail on this stream (empty: the key's own) may name the pool that it leaves from.
  std::optional<Problem> may_name_pool(const Call& call, const std::string& stream,
                                       const std::string& pool) const;

  base::Worker& worker() { return parts_.worker; }
  base::Executor& pool() { return parts_.pool; }
  inbound::Services& services() { return parts_.services; }
  std::size_t large_octets() const { return parts_.submission()->large_octets; }
  base::Time now() const { return parts_.worker.clock.now(); }
  const std::string& hostname() const { return hostname_ = parts_.submission()->hostname; }

  /// How many more messages the caller may send now, where a rate is set: in the names that the
  /// path's clients know.
  void tell_allowance(const Call& call, HttpResponse& response) const;

 private:
  Parts parts_;
  mutable std::string hostname_;
};

/// A refusal of admission or the spool, as a problem.
Problem problem_of(const smtp::Reply& reply);
/// Problems as ours are told.
HttpResponse own_problem(const Problem& problem, const Caller& caller);

}  // namespace ekiden::api
