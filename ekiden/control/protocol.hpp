#pragma once

#include <boost/json/object.hpp>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "ekiden/base/time.hpp"
#include "ekiden/control/queue_commands.hpp"

/// The control socket's words: one JSON object a line (docs/CONTROL.md).
namespace ekiden::control {

/// Grows when an old client would misread a new node, or the other way round.
inline constexpr std::int64_t kProtocolVersion = 1;
inline constexpr std::size_t kRequestOctetsMax = 64 * 1024;
inline constexpr std::size_t kAnswerOctetsMax = 16 * 1024 * 1024;
inline constexpr std::string_view kSocketName = "control.sock";
/// What a command asks that has changed the control store: answered when the change counts.
inline constexpr std::string_view kStoreRefresh = "store.refresh";

struct Request {
  std::string command;  ///< "queue.list"
  boost::json::object arguments;
};

/// The last line of an answer: the result, or why there is none.
using Answer = Outcome<boost::json::object>;

std::string format_request(const Request& request);
/// Problem "bad_line" (no JSON object), "version" or "bad_request".
Outcome<Request> parse_request(std::string_view line);

std::string format_item(const boost::json::object& item);
std::string format_answer(const Answer& answer);

/// One line from the node, as the client sees it.
struct Line {
  std::optional<boost::json::object> item;
  std::optional<Answer> answer;  ///< set on the last line
};
/// Nothing when the line is not of this protocol.
std::optional<Line> parse_line(std::string_view line);

/// "DATA_DIR/control.sock".
std::string socket_path(const std::string& data_dir);

}  // namespace ekiden::control
