#include "ekiden/inbound/listener_service.hpp"

#include <algorithm>
#include <utility>

#include "ekiden/base/log.hpp"
#include "ekiden/inbound/session.hpp"

namespace ekiden::inbound {
namespace {

base::Task<void> run_session(std::unique_ptr<Session> session, base::TaskGroup& group) {
  Session* const running = session.get();
  const base::TaskGroup::StopToken token = group.on_stop([running] { running->stop(); });
  co_await session->run();
}

}  // namespace

ListenerService::ListenerService(Services services)
    : services_(services), sessions_(services_.worker) {}

ListenerService::~ListenerService() = default;

Result<net::Endpoint> ListenerService::listen(net::Network& network, const net::Endpoint& endpoint,
                                              std::shared_ptr<const ListenerOptions> options) {
  auto listening = std::make_unique<Listening>();
  Listening* const self = listening.get();
  listening->options = std::move(options);
  Result<std::unique_ptr<net::Listener>> listener = network.listen(
      endpoint, net::ListenOptions{}, [this, self](std::unique_ptr<net::Stream> stream) {
        accept(std::move(stream), self->options);
      });
  if (!listener) return listener.error();
  listening->listener = std::move(*listener);
  const net::Endpoint local = listening->listener->local();
  listening_.push_back(std::move(listening));
  return local;
}

bool ListenerService::set_options(std::shared_ptr<const ListenerOptions> options) {
  for (const auto& listening : listening_) {
    if (listening->options->name != options->name) continue;
    listening->options = std::move(options);
    return true;
  }
  return false;
}

bool ListenerService::remove(std::string_view name) {
  return std::erase_if(listening_, [&](const auto& listening) {
           return listening->options->name == name;
         }) != 0;
}

void ListenerService::accept(std::unique_ptr<net::Stream> stream,
                             std::shared_ptr<const ListenerOptions> options) {
  if (sessions_.is_closed()) return;
  auto session =
      std::make_unique<Session>(services_, state_, std::move(options), std::move(stream));
  sessions_.spawn(run_session(std::move(session), sessions_));
}

void ListenerService::close() {
  listening_.clear();
  sessions_.close();
}

}  // namespace ekiden::inbound
