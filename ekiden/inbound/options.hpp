#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "ekiden/auth/dmarc_check.hpp"
#include "ekiden/base/time.hpp"
#include "ekiden/net/address_block.hpp"
#include "ekiden/rewrite/rules.hpp"
#include "ekiden/smtp/command.hpp"
#include "ekiden/smtp/data_reader.hpp"

namespace ekiden::inbound {

enum class Service : std::uint8_t {
  Submission,  ///< RFC 6409: AUTH required
  Relay,       ///< trusted networks; AUTH where credentials exist
  Inbound,     ///< mail for our own domains, from anybody
};
std::string_view service_name(Service service);

enum class ListenerTls : std::uint8_t { Off, StartTls, Implicit };
enum class LongLines : std::uint8_t { Encode, Refuse };
enum class RecipientCheck : std::uint8_t { Any, Verify, List };

/// A domain whose mail we take from anybody.
struct InboundDomain {
  RecipientCheck check = RecipientCheck::Verify;
  /// For List: smtp::comparison_key of each mailbox.
  std::unordered_set<std::string> recipients;
  std::string next_hop;  ///< "10.0.0.5:25,10.0.0.6:25": in this order, as delivery reads it
};

/// So many in so long; zero: no limit.
struct Rate {
  std::uint32_t count = 0;
  base::Duration per{};
};

/// What clients may cost us.
struct Limits {
  std::uint32_t connections = 10000;            ///< in all; then 421 4.3.2
  std::uint32_t connections_per_address = 100;  ///< then 421 4.7.0; zero: none
  Rate connection_rate;                         ///< of one address; then 421 4.7.0
  Rate message_rate;                            ///< of one address; then 450 4.7.1 at MAIL
  std::uint64_t message_octets = 50ull << 20;
  std::uint32_t recipients_per_message = 1000;
  std::uint32_t messages_per_connection = 0;  ///< zero: none
  std::uint32_t commands = 0;  ///< that no accepted message needed; zero: chosen to fit
  std::uint32_t errors = 20;
  std::uint32_t received_fields = 50;             ///< more: a loop, 554 5.4.6
  std::uint32_t rejected_events_per_second = 50;  ///< of one worker; further ones only count
};

/// RFC 5321 §4.5.3.2.
struct TimeOuts {
  base::Duration command = std::chrono::minutes(5);     ///< §4.5.3.2.7
  base::Duration data_block = std::chrono::minutes(3);  ///< §4.5.3.2.5
  base::Duration handshake = std::chrono::seconds(60);  ///< TLS, PROXY header
  base::Duration write = std::chrono::minutes(3);
  base::Duration verify = std::chrono::seconds(30);  ///< of a recipient at the next hop
  base::Duration linger = std::chrono::seconds(2);   ///< until a refused client has read the reply
  /// A message must come at `octets_per_second_min` on average once this long has passed.
  base::Duration data_grace = std::chrono::minutes(5);
  std::uint32_t octets_per_second_min = 128;
};

/// A pool of sources that mail may name (docs/EGRESS.md).
struct NamedPool {
  std::string name;
  std::vector<std::string> tenants, streams;  ///< that may name it; empty: any
};

/// One listener, as its sessions see it: immutable, shared by them.
struct ListenerOptions {
  std::string name;  ///< "0.0.0.0:587", for logs and metrics
  std::string hostname;
  Service service = Service::Submission;
  ListenerTls tls = ListenerTls::StartTls;
  std::vector<net::AddressBlock> trusted_networks;  ///< of a Relay
  std::vector<net::AddressBlock> proxy_networks;    ///< PROXY header required from them
  smtp::BareNewlines bare_newlines = smtp::BareNewlines::Refuse;
  LongLines long_lines = LongLines::Encode;
  smtp::Syntax syntax = smtp::Syntax::Lenient;
  std::string tenant = "default";
  std::string stream = "transactional";
  bool hides_submitter = false;
  bool authenticates = true;  ///< an Inbound evaluates SPF, DKIM, ARC and DMARC, and says so
  auth::DmarcMode dmarc = auth::DmarcMode::Rfc9989;
  /// How long a client must keep silent before our greeting. Zero: it is only looked once.
  base::Duration greeting_delay{};
  std::map<std::string, InboundDomain, std::less<>> domains;  ///< by canonical name
  std::shared_ptr<const rewrite::RuleSet> rewriting;          ///< null: nothing is rewritten
  std::vector<NamedPool> pools;                               ///< that mail may name
  Limits limits;
  TimeOuts time_outs;
  /// A body that grows past it streams into a file of its own (spool::LargeWriter).
  std::size_t large_octets = 1u << 20;
};

}  // namespace ekiden::inbound
