#include "ekiden/inbound/client_limits.hpp"

#include <algorithm>
#include <string_view>

#include "ekiden/base/checksum.hpp"

namespace ekiden::inbound {

bool ClientLimits::take(Window& window, const Rate& rate, base::Steady now) {
  if (rate.count == 0 || rate.per.count() <= 0) return true;
  return window.take(rate.count, rate.per, now);
}

ClientLimits::Key ClientLimits::key_of(const net::Address& address) {
  Key key{};
  if (address.is_v6() && !address.to_v6().is_v4_mapped()) {
    const auto bytes = address.to_v6().to_bytes();
    std::copy_n(bytes.begin(), 8, key.begin());
    return key;
  }
  const auto v4 = address.is_v4() ? address.to_v4()
                                  : boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped,
                                                                     address.to_v6());
  const auto bytes = v4.to_bytes();
  // No IPv6 network begins with these octets: 0100::/64 is the discard prefix.
  key[0] = 1;
  std::copy(bytes.begin(), bytes.end(), key.begin() + 4);
  return key;
}

ClientLimits::Part& ClientLimits::part_of(const Key& key) {
  const std::string_view octets(reinterpret_cast<const char*>(key.data()), key.size());
  return parts_[base::hash64(octets) % parts_.size()];
}

ClientLimits::Client& ClientLimits::find(Part& part, const Key& key) {
  if (part.clients.size() >= kAddressesMax && part.clients.find(key) == part.clients.end()) {
    std::erase_if(part.clients, [](const auto& entry) { return entry.second.connections == 0; });
  }
  return part.clients[key];
}

ClientLimits::Answer ClientLimits::connect(const net::Address& address, bool is_exempt,
                                           const Limits& limits, base::Steady now) {
  if (connections_.fetch_add(1, std::memory_order_relaxed) >= limits.connections) {
    connections_.fetch_sub(1, std::memory_order_relaxed);
    return Answer::TooMany;
  }
  if (is_exempt) return Answer::Welcome;
  const Key key = key_of(address);
  Part& part = part_of(key);
  const std::lock_guard lock(part.mutex);
  Client& client = find(part, key);
  Answer answer = Answer::Welcome;
  if (limits.connections_per_address != 0 && client.connections >= limits.connections_per_address) {
    answer = Answer::TooManyFromAddress;
  } else if (!take(client.connection_rate, limits.connection_rate, now)) {
    answer = Answer::TooFast;
  }
  if (answer == Answer::Welcome) {
    ++client.connections;
  } else {
    connections_.fetch_sub(1, std::memory_order_relaxed);
  }
  return answer;
}

void ClientLimits::disconnect(const net::Address& address, bool is_exempt) {
  connections_.fetch_sub(1, std::memory_order_relaxed);
  if (is_exempt) return;
  const Key key = key_of(address);
  Part& part = part_of(key);
  const std::lock_guard lock(part.mutex);
  const auto client = part.clients.find(key);
  if (client == part.clients.end() || client->second.connections == 0) return;
  --client->second.connections;
  // Nothing to remember without rates.
  if (client->second.connections == 0 && client->second.connection_rate.is_empty() &&
      client->second.message_rate.is_empty()) {
    part.clients.erase(client);
  }
}

bool ClientLimits::message(const net::Address& address, const Limits& limits, base::Steady now) {
  if (limits.message_rate.count == 0) return true;
  const Key key = key_of(address);
  Part& part = part_of(key);
  const std::lock_guard lock(part.mutex);
  return take(find(part, key).message_rate, limits.message_rate, now);
}

ClientLimits::Allowance ClientLimits::messages_left(const net::Address& address,
                                                    const Limits& limits, base::Steady now) {
  const Rate& rate = limits.message_rate;
  if (rate.count == 0 || rate.per.count() <= 0) return {};
  const Key key = key_of(address);
  Part& part = part_of(key);
  const std::lock_guard lock(part.mutex);
  Window& window = find(part, key).message_rate;
  Allowance allowance;
  allowance.left = window.left(rate.count, rate.per, now);
  allowance.next = window.until_more(rate.per, now);
  return allowance;
}

}  // namespace ekiden::inbound
