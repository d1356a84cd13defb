#pragma once

#include <functional>
#include <string>

#include "ekiden/control/protocol.hpp"
#include "ekiden/net/unix_socket.hpp"

namespace ekiden::control {

/// A command's end of the control socket. Blocks.
class Client {
 public:
  /// Problem "not_running" when nobody answers in `data_dir`, "permission" when we may not ask.
  static Outcome<Client> connect(const std::string& data_dir);

  /// Sends the request and waits for its answer; `see` gets the items, and may end the wait by
  /// returning false ("interrupted").
  Answer call(const Request& request,
              const std::function<bool(const boost::json::object&)>& see = nullptr);

 private:
  explicit Client(net::UnixClient socket) : socket_(std::move(socket)) {}
  net::UnixClient socket_;
};

}  // namespace ekiden::control
