#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ekiden/account/secret.hpp"
#include "ekiden/account/webhook.hpp"
#include "ekiden/events/reader.hpp"
#include "ekiden/webhook/target.hpp"

namespace ekiden::webhook {

/// Which events a post is to be made of.
struct Wanted {
  std::shared_ptr<const account::Webhook> webhook;
  events::Cursor cursor;
  std::optional<events::Cursor> end;  ///< of a batch that has failed
  std::optional<base::Time> from, until;
  bool is_test = false;  ///< one made-up event instead
  std::int64_t order = 0;
  base::Time now{};  ///< what is signed
};

/// A post, ready to go.
struct Batch {
  std::string problem;  ///< why there can be none, in words; else empty
  events::Cursor after;
  bool has_more = false;  ///< events wait behind it
  std::size_t events = 0;
  std::string id, first_event;
  Target target;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
};

/// Makes posts of what the event store has. All webhooks share one, and so its open files.
///
/// Sharing: the blocking pool, one call at a time.
class Desk {
 public:
  Desk(std::string events_directory, account::HashKey node_key)
      : reader_(std::move(events_directory)), node_key_(std::move(node_key)) {}

  /// `events` is zero when nothing of interest is there; `after` has moved all the same.
  Batch prepare(const Wanted& wanted);
  /// The cursor behind everything.
  Result<events::Cursor> end();

 private:
  bool sign(const Wanted& wanted, Batch& batch);

  std::mutex mutex_;
  events::Reader reader_;
  account::HashKey node_key_;
};

}  // namespace ekiden::webhook
