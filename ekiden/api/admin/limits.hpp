#pragma once

#include "ekiden/api/fields.hpp"

namespace ekiden::api::admin {

/// {"rate": "100/min", "messages_per_day": 1000, "messages_per_month": null}; what is absent stays,
/// null is no limit.
void read_limits(const boost::json::object& object, const std::string& base, Findings& findings,
                 account::Limits& limits);

}  // namespace ekiden::api::admin
