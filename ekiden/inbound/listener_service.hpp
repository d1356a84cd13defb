#pragma once

#include <memory>
#include <vector>

#include "ekiden/base/task_group.hpp"
#include "ekiden/inbound/options.hpp"
#include "ekiden/inbound/services.hpp"
#include "ekiden/net/network.hpp"

namespace ekiden::inbound {

/// One worker's share of all listeners: accepts, and runs a session for each connection.
///
/// Sharing: its worker only; it outlives its sessions. `close`, then wait until `when_empty`.
class ListenerService {
 public:
  explicit ListenerService(Services services);
  ~ListenerService();

  /// Listens on `endpoint` with `options`. The port is chosen when zero: see `local`.
  /// Errors: those of net::Network::listen.
  Result<net::Endpoint> listen(net::Network& network, const net::Endpoint& endpoint,
                               std::shared_ptr<const ListenerOptions> options);

  /// Replaces the options of the listener with the same name; sessions that run keep theirs.
  /// False when there is none.
  bool set_options(std::shared_ptr<const ListenerOptions> options);
  /// Stops listening there; sessions that run go on.
  bool remove(std::string_view name);

  /// A connection from elsewhere: tests, sockets handed over.
  void accept(std::unique_ptr<net::Stream> stream, std::shared_ptr<const ListenerOptions> options);

  /// Stops accepting; sessions end as soon as nothing is lost by it.
  void close();
  void when_empty(base::Work work) { sessions_.when_empty(std::move(work)); }
  std::size_t sessions() const { return sessions_.size(); }
  /// What others on this worker submit mail with (submission.hpp).
  Services& services() { return services_; }

 private:
  struct Listening {
    std::shared_ptr<const ListenerOptions> options;
    std::unique_ptr<net::Listener> listener;
  };

  Services services_;
  WorkerState state_;
  base::TaskGroup sessions_;
  std::vector<std::unique_ptr<Listening>> listening_;
};

}  // namespace ekiden::inbound
