#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "ekiden/api/router.hpp"
#include "ekiden/base/metrics.hpp"
#include "ekiden/base/worker.hpp"

namespace ekiden::api {

struct Shared;

/// How many event streams there are, of all workers. Sharing: any thread.
class StreamSlots {
 public:
  static constexpr std::size_t kStreamsMax = 64;
  static constexpr std::size_t kOfTenantMax = 8;

  /// Holds one until it dies; null when there are too many.
  std::shared_ptr<const void> take(const std::string& tenant);

 private:
  struct State {
    std::mutex mutex;
    std::map<std::string, std::size_t> of_tenant;
    std::size_t all = 0;
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

/// A tenant's events as they are stored, as server-sent events (HTML Living Standard §9.2): each
/// with the cursor behind it as its id, so that `Last-Event-ID` goes on where a connection ended.
///
/// The events come from the store, so a slow reader costs no memory; one that takes longer than
/// kSlow for a part of them is told so and dropped. A stream ends after kLifeMax, when the key is
/// looked at again.
///
/// Sharing: its worker only.
class EventStreams {
 public:
  struct Parts {
    base::Worker& worker;
    Shared& shared;
    base::Metrics& metrics;
  };
  explicit EventStreams(Parts parts);

  static constexpr base::Duration kPoll = std::chrono::milliseconds(500);
  static constexpr base::Duration kHeartbeat = std::chrono::seconds(15);
  static constexpr base::Duration kSlow = std::chrono::seconds(10);
  /// What is not taken in this time ends the connection without a word.
  static constexpr base::Duration kStuck = std::chrono::seconds(30);
  static constexpr base::Duration kLifeMax = std::chrono::minutes(10);

  base::Task<HttpResponse> open(std::shared_ptr<Call> call);

 private:
  struct Stream;
  static base::Task<void> run(std::shared_ptr<Stream> stream, HttpStream& out);

  Parts parts_;
  base::Gauge& streams_;
  base::Counter& dropped_;
};

}  // namespace ekiden::api
