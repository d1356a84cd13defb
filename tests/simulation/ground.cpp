#include "tests/simulation/ground.hpp"

namespace ekiden::simulation {

net::Endpoint endpoint(const char* address, std::uint16_t port) {
  return {boost::asio::ip::make_address(address), port};
}

config::Settings plain_settings() {
  config::Settings settings;
  settings.node.hostname = "relay.example";
  settings.spool.disk_reserve = 4 << 20;
  config::Listener listener;
  listener.address = kRelay;
  listener.service = config::Service::Relay;
  listener.tls = config::ListenerTls::Off;
  listener.trusted_networks = {*net::parse_address_block("10.0.0.0/8")};
  settings.listener.push_back(listener);
  listener.address = kRelayBulk;
  listener.stream = "bulk";
  settings.listener.push_back(listener);
  return settings;
}

}  // namespace ekiden::simulation
