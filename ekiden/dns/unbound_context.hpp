#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ekiden/base/result.hpp"
#include "ekiden/base/task.hpp"
#include "ekiden/dns/error.hpp"
#include "ekiden/dns/resolver.hpp"
#include "ekiden/net/endpoint.hpp"

struct ub_result;

namespace ekiden::dns {

/// What libunbound found, in our words. The record data is the network's: nothing of it has been
/// looked at yet.
Answer answer_of(const ub_result& result);

/// How one libunbound context is set up; it cannot change afterwards.
struct UnboundSetup {
  std::vector<net::Endpoint> forward;  ///< ask these; none and no resolv_conf: the root servers
  std::string resolv_conf, hosts;      ///< files, or empty
  /// Ask these servers, as authoritative, about a zone; several for one zone may be given.
  std::vector<std::pair<std::string, net::Endpoint>> stubs;
  bool validates = true;
  std::vector<std::string> anchors;       ///< records as text
  std::vector<std::string> anchor_files;  ///< in zone file format
  /// Zones below which nothing is validated.
  std::vector<std::string> insecure_zones;
};

/// One libunbound context and the thread it resolves in. Its descriptor is watched by the
/// worker's loop, so that answers arrive as any other event does.
///
/// Sharing: one worker owns one.
class UnboundContext {
 public:
  /// Errors: dns::Errc, after a log line that names the setting.
  static Result<std::unique_ptr<UnboundContext>> create(base::IoExecutor io,
                                                        const UnboundSetup& setup);
  /// Completions that wait are dropped un-called. Waits for the thread, a few milliseconds.
  ~UnboundContext();
  UnboundContext(const UnboundContext&) = delete;
  UnboundContext& operator=(const UnboundContext&) = delete;

  using QuestionId = std::uint64_t;

  /// Asks. `done` is called from the worker's loop, never inside the call. Errors:
  /// Errc::OutOfResources, and then `done` is dropped.
  Result<QuestionId> ask(const std::string& name, Type type, base::Completion<Answer> done);

  /// Drops the question. True when its `done` had not been called yet.
  bool cancel(QuestionId id);

  /// Questions without an answer.
  std::size_t size() const;

 private:
  struct State;
  explicit UnboundContext(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace ekiden::dns
