#include "ekiden/control/client.hpp"

namespace ekiden::control {

namespace {

// A node that says nothing for this long is not going to; every command of a healthy one streams
// or answers within seconds.
constexpr base::Duration kPatience = std::chrono::minutes(2);

}  // namespace

Outcome<Client> Client::connect(const std::string& data_dir) {
  const std::string path = socket_path(data_dir);
  auto socket = net::UnixClient::connect(path);
  if (socket) return Client(std::move(*socket));
  if (socket.error() == net::Errc::PermissionDenied) {
    return Problem{"permission", "no permission to use " + path +
                                     "; run this as the user that the relay runs as, or as root"};
  }
  if (socket.error() == net::Errc::AddressUnavailable || socket.error() == net::Errc::Refused) {
    if (path.size() > net::kUnixPathOctetsMax) {
      return Problem{"unavailable", "the path " + path + " is too long for a socket"};
    }
    return Problem{"not_running", "no relay is running with data_dir " + data_dir};
  }
  return Problem{"unavailable", "cannot use " + path + ": " + socket.error().message()};
}

Answer Client::call(const Request& request,
                    const std::function<bool(const boost::json::object&)>& see) {
  if (!socket_.send(format_request(request))) {
    return Problem{"unavailable", "the relay closed the control connection"};
  }
  for (;;) {
    const auto text = socket_.read_line(kPatience, kAnswerOctetsMax);
    if (!text) {
      return Problem{"unavailable", text.error() == net::Errc::TimedOut
                                        ? "the relay does not answer"
                                        : "the relay closed the control connection"};
    }
    auto line = parse_line(*text);
    if (!line) return Problem{"unavailable", "the relay answers in another language"};
    if (line->answer) return std::move(*line->answer);
    if (see && !see(*line->item)) return Problem{"interrupted", "interrupted"};
  }
}

}  // namespace ekiden::control
