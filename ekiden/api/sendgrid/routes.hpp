#pragma once

#include "ekiden/api/admin/queue_routes.hpp"
#include "ekiden/api/event_desk.hpp"
#include "ekiden/api/jobs/job_desk.hpp"
#include "ekiden/api/store_desk.hpp"

/// SendGrid's v3 API beside sending, over the same control store and event store as /v1.
namespace ekiden::api::sendgrid {

/// /v3/suppression/{bounces|blocks|invalid_emails|spam_reports|unsubscribes}.
void add_suppression_routes(Frame& frame, StoreDesk& desk);
/// /v3/asm: unsubscribe groups, which are streams, and who has left them or everything.
void add_group_routes(Frame& frame, StoreDesk& desk);
/// /v3/user/webhooks/event: the tenant's webhooks of the format sendgrid.
void add_webhook_routes(Frame& frame, StoreDesk& desk);
/// /v3/scopes, /v3/api_keys.
void add_key_routes(Frame& frame, StoreDesk& desk);
/// /v3/mail/batch, /v3/user/scheduled_sends: scheduled mail that is paused or cancelled together.
void add_scheduled_routes(Frame& frame, admin::QueueDesk& desk);
/// /v3/stats and its like, by category, mailbox provider and what bounces are called.
void add_stats_routes(Frame& frame, EventDesk& desk);

/// /v3/messages: what became of messages, and the same as CSV.
void add_activity_routes(Frame& frame, EventDesk& desk, jobs::JobDesk& jobs);

/// /v3/suppression/bounces/classifications: what bounces are called, day by day.
void add_classification_routes(Frame& frame, EventDesk& desk);

inline void add_admin_routes(Frame& frame, StoreDesk& store, EventDesk& events,
                             admin::QueueDesk& queue, jobs::JobDesk& jobs) {
  add_activity_routes(frame, events, jobs);
  add_scheduled_routes(frame, queue);
  add_suppression_routes(frame, store);
  add_group_routes(frame, store);
  add_webhook_routes(frame, store);
  add_key_routes(frame, store);
  add_stats_routes(frame, events);
}

/// A JSON array as an answer.
HttpResponse json_list(unsigned status, const boost::json::array& array);
/// 400 with a field and a sentence.
Problem bad_request(std::string field, Text text);
/// What `limit` and `offset` say; a problem past what SendGrid takes.
struct Window {
  std::size_t limit = 500, offset = 0;
  std::optional<Problem> problem;
};
Window read_window(const Call& call);
/// Texts of a list in the body: {"emails": ["a@b"]}.
std::vector<std::string> read_addresses(const boost::json::object& body, std::string_view name);
std::int64_t unix_seconds(base::Time time);

using Days = std::chrono::sys_days;
Days day_of(base::Time time);
base::Time time_of(Days day);
/// `start_date` and `end_date`: [from, until). A problem when they are no days, or too many.
struct DayRange {
  Days from, until;
  std::optional<Problem> problem;
};
/// Without a start so many days are meant; nothing: it is needed.
DayRange read_days(const Call& call, base::Time now, std::optional<int> days_without_start);

}  // namespace ekiden::api::sendgrid
