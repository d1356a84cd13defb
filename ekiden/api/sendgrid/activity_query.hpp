#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/api/problem.hpp"
#include "ekiden/base/time.hpp"
#include "ekiden/events/reader.hpp"

namespace ekiden::api::sendgrid {

/// One message to one recipient, as SendGrid's Email Activity tells it.
struct Activity {
  std::string msg_id, from_email, to_email, subject;
  std::vector<std::string> categories;
  boost::json::object unique_args;
  std::optional<std::int64_t> asm_group_id;
  /// What only all of its events together tell; without, a condition on them may hold or not.
  struct Course {
    std::string status;               ///< processed, delivered, not_delivered
    std::vector<std::string> events;  ///< "processed", "delivered", …
    std::uint64_t opens = 0, clicks = 0;
    base::Time last_event{};
    std::string originating_ip, outbound_ip, api_key_id;
  };
  std::optional<Course> course;
};

/// What `query` of GET /v3/messages asks for, in its language:
///
///     status="delivered" AND (to_email LIKE "%@example.jp" OR Contains(categories, "news"))
///     AND last_event_time BETWEEN TIMESTAMP "2026-11-01T00:00:00Z" AND TIMESTAMP "…"
///
/// Comparisons are =, != and <>, <, <=, >, >=, LIKE, IN, BETWEEN, IS NULL, with NOT before; words
/// in any case, texts in either quote. Addresses, words and LIKE compare letters of ASCII in either
/// case.
class ActivityQuery {
 public:
  static constexpr std::size_t kOctetsMax = 8 * 1024;
  static constexpr std::size_t kConditionsMax = 100;
  static constexpr std::size_t kDepthMax = 16;
  static constexpr std::size_t kListMax = 1000;

  /// Empty: everything. Nothing, and why, when it cannot be read.
  static std::optional<ActivityQuery> parse(std::string_view text, Text& why);

  /// Nothing: its course decides, which is not there.
  std::optional<bool> judge(const Activity& activity) const;

  /// Conditions that hold for everything that fits, as the event store has an index for them.
  /// False: nothing fits.
  bool narrow(events::Query& query) const;

  struct Condition;

 private:
  std::shared_ptr<const Condition> root_;  ///< null: everything
};

/// "ID.RECIPIENT", as activities and webhooks name a message to one recipient.
std::string format_msg_id(base::MessageId message, std::uint32_t recipient);
struct MsgId {
  base::MessageId message;
  std::optional<std::uint32_t> recipient;  ///< nothing: the message alone was named
};
std::optional<MsgId> parse_msg_id(std::string_view text);

}  // namespace ekiden::api::sendgrid
