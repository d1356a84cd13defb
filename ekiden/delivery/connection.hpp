#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ekiden/base/task_group.hpp"
#include "ekiden/base/worker.hpp"
#include "ekiden/delivery/job.hpp"
#include "ekiden/delivery/odd_addresses.hpp"
#include "ekiden/delivery/tls_memory.hpp"
#include "ekiden/dns/resolver.hpp"
#include "ekiden/net/network.hpp"
#include "ekiden/rewrite/rules.hpp"
#include "ekiden/smtp/time_outs.hpp"
#include "ekiden/spool/spool.hpp"
#include "ekiden/tls/dane.hpp"

namespace ekiden::auth {
class AlignmentDesk;
}

namespace ekiden::delivery {

class MessageSigner;

/// Whose dialogue becomes a part of its event.
enum class Transcripts : std::uint8_t {
  None,
  Failures,  ///< attempts that failed, and deliveries of who was tried before
  All,
};

struct ConnectionOptions {
  /// delivery.connect_map: "host:port" of a target -> where to connect instead. No address checks.
  std::map<std::string, net::Endpoint> connect_map;
  /// Where this relay listens: an MX that leads there is ourselves (RFC 5321 §5.1).
  std::vector<net::Endpoint> own_endpoints;
  base::Duration connect_timeout = std::chrono::seconds(30);
  smtp::ClientTimeOuts time_outs;
  base::Duration handshake_timeout = std::chrono::seconds(60);
  /// How long a connection waits for more work before it says QUIT.
  base::Duration idle_timeout = std::chrono::seconds(5);
  /// RFC 8305 §5: pause before the next address is tried beside the first.
  base::Duration stagger = std::chrono::milliseconds(250);
  /// The next message's commands follow a message in the same write (RFC 2920 §3.1).
  bool may_ride = true;
  bool may_send_password_in_clear = false;
  Transcripts transcripts = Transcripts::Failures;
  bool uses_dane = true;                              ///< delivery.dane
  std::shared_ptr<const rewrite::RuleSet> rewriting;  ///< null: nothing is rewritten
};

/// What is asked of the TLS layer for one handshake.
struct TlsRequest {
  std::string server_name;  ///< for SNI, and to verify
  bool verify = false;      ///< chain and name must verify
  /// Sessions are resumed only under the same key: host, port, policy, level.
  std::string session_key;
  TlsLevel level = TlsLevel::Modern;
  std::shared_ptr<const tls::Dane> dane;  ///< decides instead of `verify`, where set
};

/// Turns a connected stream into one under TLS: tls_starter's, or a test's. A failure is worded in
/// the last argument.
using StartTls = std::function<base::Task<Result<std::unique_ptr<net::Stream>>>(
    std::unique_ptr<net::Stream>, TlsRequest, base::Steady, std::string&)>;

/// What a connection needs of its worker. All of it outlives every connection.
struct ConnectionContext {
  base::Worker& worker;
  base::TaskGroup& tasks;  ///< its close ends the connection
  base::Executor& pool;    ///< for what takes longer than 200 µs
  dns::Resolver& resolver;
  net::Network& network;
  spool::Port& spool;
  TlsMemory& tls_memory;
  StartTls start_tls;
  ConnectionOptions options;
  MessageSigner* signer = nullptr;            ///< null: nothing is signed
  auth::AlignmentDesk* alignment = nullptr;   ///< null: alignment is not judged
  policy::TlsObserver observe_tls = nullptr;  ///< null: nobody reports (RFC 8460)
  OddAddresses odd_addresses{};
};

/// Runs one connection of a plan to its end: finds a host that takes it, hands over jobs from
/// `feed` until none comes, says good-bye.
///
/// Tries the targets in order, equals shuffled, each address of each, within the limits below. A
/// refusal before the first transaction, even a 5xx, is that host's; the next one is tried. No
/// job is taken from `feed` before a host is ready for it; each one taken is finished exactly
/// once. Writes one log line.
///
/// `context` and `feed` outlive it.
base::Task<ConnectionEnd> run_connection(ConnectionContext& context,
                                         std::shared_ptr<const Plan> plan, Feed& feed);

/// Sessions that one connection attempts before it gives up until later.
inline constexpr unsigned kSessionsMax = 6;
/// Addresses of one host that are tried.
inline constexpr std::size_t kAddressesPerHostMax = 6;

}  // namespace ekiden::delivery
