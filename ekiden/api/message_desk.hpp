#pragma once

#include "ekiden/api/router.hpp"
#include "ekiden/base/worker.hpp"
#include "ekiden/events/reader.hpp"
#include "ekiden/spool/spool.hpp"

namespace ekiden::api {

struct Shared;

/// All events of one message of the tenant, oldest first; on the pool.
std::vector<events::Event> timeline(events::Reader& reader, base::MessageId id,
                                    const std::string& tenant, bool with_transcripts = false);

/// Answers questions about messages and their events, of one tenant at a time: the queue knows
/// what waits, the event store what happened.
///
/// Sharing: its worker only.
class MessageDesk {
 public:
  struct Parts {
    base::Worker& worker;
    spool::Spool& spool;
    Shared& shared;
  };
  explicit MessageDesk(Parts parts) : parts_(parts) {}

  base::Task<HttpResponse> show(std::shared_ptr<Call> call);
  base::Task<HttpResponse> cancel(std::shared_ptr<Call> call);
  base::Task<HttpResponse> search(std::shared_ptr<Call> call);
  base::Task<HttpResponse> events(std::shared_ptr<Call> call);
  base::Task<HttpResponse> stats(std::shared_ptr<Call> call);

  /// The event store has its acceptance by this tenant (empty: any); waits until the store has
  /// caught up with the spool.
  base::Task<bool> was_stored(base::MessageId id, std::string tenant = {});

 private:
  Parts parts_;
};

}  // namespace ekiden::api
