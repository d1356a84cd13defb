#pragma once

#include <boost/json/object.hpp>

#include "ekiden/control/quarantine_desk.hpp"
#include "ekiden/control/queue_commands.hpp"

/// The JSON of docs/CONTROL.md: what commands print with --json and the API will answer. Times
/// are RFC 3339, durations seconds, fields that do not apply are left out.
namespace ekiden::control {

boost::json::object to_json(const QueuedRecipient& recipient);
boost::json::object to_json(const QueueSummary& summary);
boost::json::object to_json(const Explanation& explanation);
boost::json::object to_json(const MessageView& message);
boost::json::object to_json(const OperationView& operation);
boost::json::object to_json(const Suspension& suspension);
boost::json::object to_json(const NodeStatus& status);
boost::json::object to_json(const QuarantinedView& item);
boost::json::object to_json(const QuarantineDecision& decision);

}  // namespace ekiden::control
