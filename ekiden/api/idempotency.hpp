#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ekiden/base/clock.hpp"
#include "ekiden/base/executor.hpp"
#include "ekiden/base/ids.hpp"
#include "ekiden/base/task.hpp"
#include "ekiden/base/worker.hpp"

namespace ekiden::api {

/// Remembers the answers to requests with an `Idempotency-Key`, in data_dir/idempotency.db.
///
/// A request claims its key before it does anything; the claim, with the ids that its messages will
/// have, is durable before the first message is. The answer is durable before it is given. So a
/// request that is repeated gets the same answer, and one that was cut short by a crash goes on
/// with the same ids: what was stored is found by them and not stored again.
///
/// Sharing: any thread; the work is done on the pool.
class IdempotencyBook {
 public:
  static constexpr std::size_t kKeyOctetsMax = 255;

  /// `kept`: keys are forgotten after so long.
  IdempotencyBook(base::Executor& pool, std::string data_dir, base::Clock& clock,
                  base::Duration kept = std::chrono::hours(48));
  ~IdempotencyBook();

  struct Claim {
    enum class Kind : std::uint8_t {
      Begun,
      Replay,       ///< `status` and `body` are the answer
      Reused,       ///< the key was used with another request
      InUse,        ///< the same request is under way
      Unavailable,  ///< the file cannot be written
    };
    Kind kind = Kind::Unavailable;
    std::vector<base::MessageId> ids;  ///< to be used for the messages
    bool is_resumed = false;           ///< some of them may be stored already
    unsigned status = 0;
    std::string body;
  };
  struct Request {
    std::string tenant, key;
    std::string fingerprint;  ///< equal for the same method, path and body
  };
  base::Task<Claim> claim(base::Worker& worker, Request request, std::vector<base::MessageId> ids);
  /// False when the answer could not be kept; it may be given all the same, since a repetition
  /// finds the messages by their ids.
  base::Task<bool> finish(base::Worker& worker, Request request, unsigned status, std::string body);
  /// Nothing was done: the key may be used again.
  base::Task<bool> release(base::Worker& worker, Request request);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace ekiden::api
