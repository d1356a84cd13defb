#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "ekiden/api/event_desk.hpp"
#include "ekiden/api/frame.hpp"

/// blastengine's logs, errors and usage, read from the event store.
namespace ekiden::api::blastengine {

/// What a log is asked by; everything given must hold.
struct LogQuery {
  std::string tenant, email;
  std::optional<base::Time> from, until;  ///< [from, until)
  std::optional<std::int64_t> delivery_id;
  std::vector<std::string> types, statuses;  ///< empty: all
  std::vector<std::uint16_t> codes;          ///< of the last reply; empty: all
};

/// One recipient of one message.
struct Log {
  std::int64_t id = 0;
  std::string status;                  ///< SENT, RETRY, HARDERROR, SOFTERROR, DROP
  std::string type;                    ///< TRANSACTION, BULK, SMTP
  std::vector<events::Event> history;  ///< oldest first

  const events::Event& last() const { return history.back(); }
};

/// A log's number is where its acceptance stands in the event store: unique, and found by it.
std::int64_t log_id(events::Position position);
std::optional<events::Position> position_of(std::int64_t log_id);

/// Orders for reports, in memory: a client fetches its own within minutes. The oldest are
/// forgotten, and a restart forgets all; what they report stays in the event store.
///
/// Sharing: any thread.
class ReportOrders {
 public:
  static constexpr std::size_t kKeptMax = 1000;
  std::int64_t add(LogQuery query);
  std::optional<LogQuery> find(std::int64_t id, const std::string& tenant) const;

 private:
  mutable std::mutex mutex_;
  std::int64_t next_ = 1;
  std::map<std::int64_t, LogQuery> orders_;
};

/// GET /logs/mails/results, /logs/mails/{id}, /errors; POST /errors/list, its state and download.
void add_log_routes(Frame& frame, EventDesk& desk, ReportOrders& orders);
/// GET /usages, /usages/latest, /usages/{month}.
void add_usage_routes(Frame& frame, EventDesk& desk);

/// Problem 400 of one field, or 404 without data.
Problem bad_field(std::string field, Text text);
Problem too_busy();

}  // namespace ekiden::api::blastengine
