#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ekiden/api/event_desk.hpp"
#include "ekiden/api/frame.hpp"
#include "ekiden/api/jobs/job_desk.hpp"

/// blastengine's logs, errors, reports and usage, read from the event store.
namespace ekiden::api::blastengine {

/// What a log is asked by; everything given must hold.
struct LogQuery {
  std::string tenant, email;
  std::optional<base::Time> from, until;  ///< [from, until)
  std::optional<std::int64_t> delivery_id;
  std::optional<base::MessageId> job;        ///< where the delivery is a bulk one
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

bool is_error(const events::Event& event);

/// An error as lists and reports tell it.
struct ErrorLine {
  events::Position position;
  base::Time time{};
  std::int64_t delivery_id = 0;
  std::uint16_t code = 0;  ///< zero: nobody answered
  std::string email, reply;
};
/// In the order in which they were stored, or its reverse. Nothing: too many searches are under
/// way.
base::Task<std::optional<std::vector<ErrorLine>>> find_errors(EventDesk& desk, base::Worker& worker,
                                                              LogQuery query, bool newest_first,
                                                              std::size_t lines_max);

/// GET /logs/mails/results, /logs/mails/{id}, /errors.
void add_log_routes(Frame& frame, EventDesk& desk, jobs::JobDesk& jobs);
/// POST /errors/list and /deliveries/{id}/analysis/report, what became of them, their downloads.
void add_report_routes(Frame& frame, EventDesk& desk, jobs::JobDesk& jobs);
/// GET /usages, /usages/latest, /usages/{month}.
void add_usage_routes(Frame& frame, EventDesk& desk);

/// Problem 400 of one field, or 404 without data.
Problem bad_field(std::string field, Text text);
Problem too_busy();

}  // namespace ekiden::api::blastengine
