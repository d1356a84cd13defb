#include "tests/simulation/ground.hpp"

namespace ekiden::simulation {

net::Endpoint endpoint(const char* address, std::uint16_t port) {
  return {boost::asio::ip::make_address(address), port};
}

namespace {

/// What the carrier's hosts may say, and what it asks for: peers.cpp says it.
constexpr const char* kCarrierWords = R"(
[transport]
odd_local_parts = "quoted"
[[reply]]
text = 'sending too fast'
reason = "rate_limited"
action = "slow_down"
example = "421 4.7.0 You are sending too fast"
[[reply]]
text = 'nothing from you today'
reason = "reputation_ip"
action = "suspend"
for = "10m"
example = "451 4.7.1 nothing from you today"
[[reply]]
text = 'your address is listed'
reason = "reputation_ip"
action = "switch_source"
example = "451 4.7.1 your address is listed"
[[reply]]
text = 'rest everywhere'
reason = "reputation_ip"
action = "rest_source"
for = "5m"
example = "451 4.7.1 rest everywhere"
[[reply]]
text = 'call us'
reason = "authentication"
action = "alert"
example = "451 4.7.5 call us"
[[reply]]
text = 'stop asking'
reason = "reputation_domain"
action = "bounce"
example = "450 4.2.0 stop asking"
[[reply]]
text = 'only for now'
reason = "rate_limited"
action = "defer"
example = "550 5.7.1 only for now"
)";

}  // namespace

std::shared_ptr<const shaping::Providers> carrier() {
  const std::string text =
      "mx = [\"mx.one.example\", \"mx.six.example\"]\n[limits]\nconnections = " +
      std::to_string(kCarrierConnections) +
      "\nmessages_per_connection = " + std::to_string(kCarrierMessages) + "\nrate = \"" +
      std::to_string(kCarrierRate) + "/min\"\n" + kCarrierWords;
  const std::string usual = "[limits]\nconnections = 100\nmessages_per_connection = 1000\n";
  return shaping::build_providers({{"default.toml", usual, ""}, {"carrier.toml", text, ""}})
      .providers;
}

const std::map<std::string, std::vector<std::string>>& stand_ins() {
  static const std::map<std::string, std::vector<std::string>> kStandIns = {
      {"team@one.example", {"good7@one.example", "good8@two.example"}},
      {"old@one.example", {"good9@one.example"}},
      {"list@two.example", {"good4@six.example", "bad4@one.example", "good5@two.example"}}};
  return kStandIns;
}

config::Settings plain_settings() {
  config::Settings settings;
  settings.node.hostname = "relay.example";
  settings.spool.disk_reserve = 4 << 20;
  config::Listener listener;
  listener.address = kRelay;
  listener.service = config::Service::Relay;
  listener.tls = config::ListenerTls::Off;
  for (const char* block : {"10.0.0.0/8", "127.0.0.1/32", "fd00::/8"})
    listener.trusted_networks.push_back(*net::parse_address_block(block));
  settings.listener.push_back(listener);
  listener.address = kRelayBulk;
  listener.stream = "bulk";
  settings.listener.push_back(listener);
  return settings;
}

}  // namespace ekiden::simulation
