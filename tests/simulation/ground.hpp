#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ekiden/config/settings.hpp"
#include "ekiden/net/endpoint.hpp"
#include "ekiden/shaping/providers.hpp"

/// Who is where in the simulated internet. Every scenario stands on this ground.
namespace ekiden::simulation {

net::Endpoint endpoint(const char* address, std::uint16_t port = 25);

inline const net::Endpoint kRelay = endpoint("10.0.0.1");                  ///< transactional mail
inline const net::Endpoint kRelayBulk = endpoint("10.0.0.1", 26);          ///< bulk mail
inline const net::Endpoint kRelayInbound = endpoint("10.0.0.1", 27);       ///< for home.example
inline const net::Endpoint kRelayProxied = endpoint("10.0.0.1", 28);       ///< behind a proxy
inline const net::Endpoint kRelaySubmission = endpoint("10.0.0.1", 587);   ///< STARTTLS, AUTH
inline const net::Endpoint kRelaySubmissions = endpoint("10.0.0.1", 465);  ///< TLS, AUTH
inline const net::Endpoint kClient = endpoint("10.0.0.5", 40000);          ///< may relay
inline const net::Endpoint kStrangerIpv6 = endpoint("2600::77", 40000);    ///< nor may it
inline const net::Endpoint kStranger = endpoint("30.0.0.7", 40000);        ///< may not
inline const net::Endpoint kReceiver = endpoint("20.0.0.1");
inline const net::Endpoint kSenders = endpoint("20.0.0.2");  ///< of sender.example: takes reports
inline const net::Endpoint kOther = endpoint("20.0.0.3");

// A provider with two of the sites, and what it takes of each source.
inline constexpr const char* kCarrierSites[] = {"mx.one.example", "mx.six.example"};
inline constexpr std::uint32_t kCarrierRate = 40;  ///< transactions
inline constexpr base::Duration kCarrierPer = std::chrono::minutes(1);
inline constexpr std::uint32_t kCarrierConnections = 3;
inline constexpr std::uint32_t kCarrierMessages = 10;  ///< in a connection
inline const net::Address kSources[] = {boost::asio::ip::make_address("10.0.0.11"),
                                        boost::asio::ip::make_address("10.0.0.12")};
/// The first one's, where it has one.
inline const net::Address kSourceIpv6 = boost::asio::ip::make_address("2600::11");
/// What the second's connections go through, from its own address; and the first's.
inline const net::Endpoint kSocks = endpoint("10.0.0.12", 1080);
inline const net::Endpoint kHaProxy = endpoint("10.0.0.21", 1081);
std::shared_ptr<const shaping::Providers> carrier();

// Rules of [[rewrite]].
/// Of return paths that the relay gives out.
inline constexpr const char* kReturnsDomain = "returns.example";
inline constexpr const char* kFixedPath = "fixed@returns.example";
/// Aliases, and who stands for each.
const std::map<std::string, std::vector<std::string>>& stand_ins();

/// A relay for 10.0.0.0/8, two listeners for two streams, everything else as by default.
config::Settings plain_settings();

}  // namespace ekiden::simulation
