#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <semaphore>
#include <string>

#include "ekiden/base/event_loop.hpp"
#include "ekiden/base/random.hpp"
#include "ekiden/base/task_group.hpp"
#include "ekiden/cli/check_place.hpp"
#include "ekiden/cli/context.hpp"

namespace ekiden::cli {

/// Requests evaluated at once with --jsonl; further lines wait unread.
inline constexpr std::ptrdiff_t kCheckRequestsMax = 16;
/// A longer line is answered with an error.
inline constexpr std::size_t kCheckLineOctetsMax = 1 << 20;
/// What one DNS question may take. A server that keeps silent is one that failed.
inline constexpr base::Duration kCheckQuestionLimit = std::chrono::seconds(10);

/// The event loop of a command that evaluates requests: the one of its flags, or with --jsonl one
/// for each line of standard input, several at a time, answered in the order of the lines.
class CheckRunner {
 public:
  /// `defaults` holds what the command line gave; a line's own keys go before them.
  CheckRunner(Context& context, CheckFunction evaluate, CheckRequest defaults);
  ~CheckRunner();

  /// Prints the answer and sets the exit code.
  void run_one();
  /// One answer for each line. `may_hold` says which keys a request may have. A line that is no
  /// request is answered {"error": …} and makes the exit code kUsage.
  void run_lines(const std::function<bool(std::string_view)>& may_hold);

 private:
  /// What one request asks with; nothing, with `answer`, when its common flags make no sense.
  std::optional<dns::UnboundResolver::Options> dns_of(const CheckRequest& request,
                                                      CheckAnswer& answer);
  base::Task<void> evaluate(std::uint64_t number, CheckRequest request);
  void answered(std::uint64_t number, CheckAnswer answer);
  void print(const CheckAnswer& answer);
  void read_lines(const std::function<bool(std::string_view)>& may_hold);
  void stop_when_done();

  Context& context_;
  CheckFunction evaluate_;
  CheckRequest defaults_;
  std::optional<dns::UnboundResolver::Options> own_dns_;  ///< of the settings or the system
  base::EventLoop loop_;
  base::SystemRandom random_;
  base::Worker worker_;
  base::TaskGroup tasks_;
  std::counting_semaphore<kCheckRequestsMax> places_{kCheckRequestsMax};
  std::map<std::uint64_t, CheckAnswer> answers_;  ///< that wait for an earlier one
  std::uint64_t next_ = 0;                        ///< whose answer is printed next
  std::uint64_t count_ = 0;                       ///< requests, once all are read
  bool is_read_ = false;
  bool is_lines_ = false;
};

}  // namespace ekiden::cli
