#pragma once

#include <boost/json/object.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/base/task.hpp"
#include "ekiden/base/worker.hpp"
#include "ekiden/cli/cli.hpp"
#include "ekiden/dns/unbound_resolver.hpp"

/// What the commands that evaluate something by itself share (`ekiden check`, `sign`, `parse`).
namespace ekiden::cli {

/// What is to be checked: the values of a command's flags, under the flags' names without dashes.
/// A text, or a list of texts for a flag that may be repeated.
using CheckRequest = boost::json::object;

/// The text under `key`; nothing when it is not there. An empty text is a value.
std::optional<std::string> find_text(const CheckRequest& request, std::string_view key);
/// All texts under `key`.
std::vector<std::string> texts_of(const CheckRequest& request, std::string_view key);

/// What came of a request: an object, or why there is none.
struct CheckAnswer {
  boost::json::object object;
  int code = kDone;     ///< an ExitCode; kDone whatever the verdict
  std::string problem;  ///< a sentence, unless kDone
  /// In place of the object, written as they are: a signed message. Not with --jsonl.
  std::optional<std::string> octets;

  static CheckAnswer done(boost::json::object object) { return {std::move(object), kDone, {}, {}}; }
  static CheckAnswer text(std::string octets) { return {{}, kDone, {}, std::move(octets)}; }
  /// The request makes no sense.
  static CheckAnswer usage(std::string problem) { return {{}, kUsage, std::move(problem), {}}; }
  /// A file cannot be read, or the like.
  static CheckAnswer failed(std::string problem) { return {{}, kFailed, std::move(problem), {}}; }
};

/// Where one request is evaluated: a worker, the time, and a resolver of its own, so that no
/// request sees what another one learned.
class CheckPlace {
 public:
  CheckPlace(base::Worker& worker, dns::UnboundResolver::Options dns, base::Time now)
      : worker_(worker), dns_(std::move(dns)), now_(now) {}

  base::Worker& worker() { return worker_; }
  /// `--now`, or the time.
  base::Time now() const { return now_; }
  /// Nothing when the resolver cannot be made: answer with `no_resolver()`.
  dns::Resolver* find_resolver();
  CheckAnswer no_resolver() const { return CheckAnswer::failed(problem_); }

 private:
  base::Worker& worker_;
  dns::UnboundResolver::Options dns_;
  base::Time now_;
  std::unique_ptr<dns::UnboundResolver> resolver_;
  std::string problem_;
};

/// Evaluates one request. A coroutine with a name: no lambda with captures.
using CheckFunction = std::function<base::Task<CheckAnswer>(CheckPlace&, CheckRequest)>;

/// A whole file, or standard input for "-". Nothing, with `problem`, when it cannot be read or is
/// over kCheckFileOctetsMax.
inline constexpr std::size_t kCheckFileOctetsMax = 256u << 20;
std::optional<std::string> read_check_file(const std::string& path, std::string& problem);

}  // namespace ekiden::cli
