#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "ekiden/api/problem.hpp"
#include "ekiden/api/router.hpp"
#include "ekiden/base/clock.hpp"
#include "ekiden/base/task.hpp"
#include "ekiden/events/reader.hpp"

namespace ekiden::api {

/// What a request for events, messages or statistics asks for, or why it is none.
struct Asked {
  events::Query query;  ///< of the caller's tenant
  std::string sender;   ///< part of an address, compared with what is found
  std::string status;   ///< of messages
  std::optional<Problem> problem;
};

/// Reads the parameters that all of them have. `cursor` and `by` are each endpoint's own.
Asked read_query(const Call& call);
/// Whether everything holds but the range of time.
bool fits(const Asked& asked, const events::Event& event);

/// An event as the API tells it, its subject decoded.
boost::json::object to_json(const events::Event& event);

Problem no_such_message();
/// Too many searches.
Problem too_busy();

base::Task<void> sleep(base::Clock& clock, base::Duration duration);

}  // namespace ekiden::api
