#include "ekiden/api/admin/limits.hpp"

#include "ekiden/config/units.hpp"

namespace ekiden::api::admin {

void read_limits(const boost::json::object& object, const std::string& base, Findings& findings,
                 account::Limits& limits) {
  /// As much as a counter holds.
  constexpr std::uint64_t kQuotaMax = (1ULL << 48) - 1;
  Fields fields(object, findings, base);
  if (fields.has("rate")) {
    const auto given = fields.text("rate");
    const auto rate = given ? config::parse_rate(*given) : config::Rate{};
    if (!rate || rate->per > std::chrono::hours(24)) {
      fields.wrong("rate", "bad_value",
                   {"a rate such as 100/min, up to a day long, or null",
                    "100/minのような1日までの頻度、またはnullです"});
    } else {
      limits.rate = {rate->count, rate->per};
    }
  }
  if (fields.has("messages_per_day"))
    limits.per_day = fields.number("messages_per_day", kQuotaMax).value_or(0);
  if (fields.has("messages_per_month"))
    limits.per_month = fields.number("messages_per_month", kQuotaMax).value_or(0);
  fields.finish();
}

}  // namespace ekiden::api::admin
