#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "ekiden/base/task_group.hpp"
#include "ekiden/base/worker.hpp"
#include "ekiden/control/protocol.hpp"
#include "ekiden/net/unix_socket.hpp"

namespace ekiden::control {

/// Where a handler puts the items of a long answer. Each call waits until the client has room, so
/// a slow client slows its own command and holds no memory of ours.
class ResponseWriter {
 public:
  virtual ~ResponseWriter() = default;
  /// False: the client is gone; end at the next chance.
  virtual base::Task<bool> item(boost::json::object item) = 0;
};

/// Answers one command. Runs on the server's worker.
using Handler = std::function<base::Task<Answer>(const Request& request, ResponseWriter& writer)>;

struct ServerOptions {
  std::size_t clients_max = 64;  ///< more are told so and closed
  base::Duration idle_max = std::chrono::minutes(5);
  base::Duration write_max = std::chrono::seconds(30);  ///< without any progress
};

/// Serves the control socket on one worker: one request at a time on each connection, any number
/// of requests.
///
/// Sharing: its worker only.
class Server {
 public:
  Server(base::Worker& worker, ServerOptions options = {});

  /// Before `listen`.
  void add(std::string command, Handler handler);

  /// Errors: of net::listen_unix.
  Result<void> listen(const std::string& path);
  /// Serves one connection, from wherever it came.
  void serve(std::unique_ptr<net::Stream> stream);

  /// Takes no more connections and ends the open ones; `done` when the last has ended.
  void stop(base::Work done);

 private:
  base::Task<void> run(std::unique_ptr<net::Stream> stream);
  base::Task<Answer> answer(std::string line, ResponseWriter& writer);

  base::Worker& worker_;
  ServerOptions options_;
  std::map<std::string, Handler, std::less<>> handlers_;
  base::TaskGroup tasks_;
  std::unique_ptr<net::UnixListener> listener_;
};

}  // namespace ekiden::control
