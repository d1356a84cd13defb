#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ekiden/base/ids.hpp"
#include "ekiden/base/task.hpp"
#include "ekiden/base/time.hpp"
#include "ekiden/delivery/hop.hpp"
#include "ekiden/message/envelope.hpp"
#include "ekiden/net/endpoint.hpp"
#include "ekiden/policy/mta_sts_policy.hpp"
#include "ekiden/policy/tls_report.hpp"
#include "ekiden/shaping/profile.hpp"
#include "ekiden/smtp/reply.hpp"
#include "ekiden/spool/spool.hpp"

namespace ekiden::delivery {

enum class TlsPolicy : std::uint8_t {
  Off,
  Opportunistic,  ///< try, fall back by degrees, remember what the host can do
  Required,       ///< never in the clear; any certificate
  Verified,       ///< chain and name must verify
  Dane,           ///< usable TLSA records must be there, and one must match
};

/// One host to try, by name or by address.
struct Target {
  std::string host;  ///< canonical name, or an address as text
  std::uint16_t port = 25;
  std::uint16_t preference = 0;
  bool is_from_mx = false;        ///< found in the DNS: private addresses and ourselves are refused
  bool is_mx_secure = false;      ///< the MX answer was DNSSEC-validated
  bool is_mta_sts_named = false;  ///< the plan's MTA-STS policy names it
  bool is_domain_itself = false;  ///< no MX record named it: the domain's own name, or a literal
  bool has_implicit_tls = false;
};

/// Where a site's connections go and how: immutable, shared between workers.
struct Plan {
  std::string site;             ///< key: same plan, same site
  std::string hosts;            ///< names_of its targets; empty: as the site is called
  std::string route;            ///< the route's name for events: "mx", "smarthost.example:587", …
  std::vector<Target> targets;  ///< by preference; equals are shuffled for each connection
  TlsPolicy tls = TlsPolicy::Opportunistic;
  policy::MtaStsMode mta_sts = policy::MtaStsMode::None;
  bool is_mta_sts_pending = false;  ///< there may be a policy: it is still being fetched
  /// What senders of its mail ask of TLS (RFC 8689).
  message::TlsDemand tls_demand = message::TlsDemand::Usual;
  /// The domain, where its hosts' TLSA records let a certificate bear its name; else empty.
  std::string dane_domain;
  std::string username, password;  ///< AUTH with the next hop; empty: none
  std::optional<net::Address> source4, source6;
  /// The proxy that the source's connections go through; null: none. Its addresses are the proxy's.
  std::shared_ptr<const Hop> hop;
  std::string source_name;  ///< for events
  std::string ehlo_name;
  /// The families that are tried, in this order; empty: both, IPv6 first.
  std::vector<shaping::Family> families;
  /// Whose limits hold, with the providers that it is of; null: none but ours.
  std::shared_ptr<const shaping::Profile> profile;
  /// Transactions are handed out one by one, on the site's owner, as a rate allows.
  bool is_paced = false;
  bool may_use_private = false;  ///< next hops in loopback or private space are fine
  bool prefers_bdat = false;
  std::uint32_t recipients_per_transaction_max = 100;
  std::uint32_t messages_per_connection_max = 1000;
};

/// A set of mail hosts, whatever their order: "a.example:25,b.example:25".
std::string names_of(const std::vector<Target>& targets);
/// Whether such a set has the host.
bool has_host(std::string_view names, std::string_view host);
/// What delivery.connections_per_site counts by: sites that differ in what is asked of TLS, in the
/// order of their hosts or in the route have it in common.
const std::string& hosts_key(const Plan& plan);
/// Under what a provider's limits count: its name, and for the default profile the mail hosts.
/// Empty where no profile holds.
std::string limit_key(const Plan& plan);
/// The provider's name, for events; empty where none is known.
std::string_view provider_of(const Plan& plan);
/// What the worker that owns the plan's mail is found by: the limit's key, else the mail hosts.
const std::string& owner_key(const Plan& plan);

/// One message for some of its recipients, all of one domain: one SMTP transaction.
struct Job {
  base::MessageId id;
  std::shared_ptr<const message::Meta> meta;
  spool::Body body;  ///< in memory, or a file to be streamed through spool::Port::read
  std::vector<std::uint32_t> recipients;  ///< indexes into meta->envelope.recipients
  /// Only asks the peer about its recipients; there is no body. Taken at RCPT counts as Delivered.
  bool is_probe = false;
  /// It was held for its alignment once, and released.
  bool is_alignment_judged = false;
  /// The dialogue is wanted of a delivery too: one of the recipients was tried before.
  bool was_tried = false;
};

enum class Outcome : std::uint8_t {
  Delivered,
  Deferred,  ///< an attempt was used up
  Bounced,
  Held,      ///< it may not leave before an operator has seen it; no attempt was used up
  NotTried,  ///< give it again at once, in a new transaction; no attempt was used up
};

/// The command that the reply answered.
enum class Phase : std::uint8_t { Connect, Greeting, Ehlo, StartTls, Auth, Mail, Rcpt, Data, Eod };
std::string_view phase_name(Phase phase);

struct RecipientResult {
  std::uint32_t recipient = 0;
  Outcome outcome = Outcome::NotTried;
  Phase phase = Phase::Connect;
  smtp::Reply reply;               ///< the peer's, or ours with a 4xx/5xx and enhanced code
  bool is_local = false;           ///< the reply is ours: no peer said it
  bool may_be_duplicate = false;   ///< lost after the final dot: it may have arrived
  bool needs_relayed_dsn = false;  ///< delivered to a next hop without DSN, NOTIFY=SUCCESS asked
  std::string transcript;          ///< of the transaction; empty: not wanted
};

/// How the peer was reached, for events and logs.
struct Peer {
  std::string host;
  std::string address;
  std::string tls_version, tls_cipher;
  std::string tls_verification;  ///< "none", "unverified: why", "verified (dane-ee)", …
  /// The dialogue up to the first transaction; null: not wanted, or there was none.
  std::shared_ptr<const std::string> opening;
};

struct JobResult {
  base::MessageId id;
  std::vector<RecipientResult> recipients;  ///< one for each of the job's
  Peer peer;
  base::Duration duration{};
};

/// Why a connection ended, when it failed before or between transactions.
struct ConnectionEnd {
  bool is_failure = false;
  Phase phase = Phase::Connect;
  smtp::Reply reply;          ///< the last peer's, or ours
  bool is_local = false;      ///< the reply is ours
  bool is_permanent = false;  ///< null MX and 556 only: bounce; all else is deferred
  Peer peer;
  std::uint32_t transactions = 0;
  /// Nothing could be tried: the source's address is not on this machine, or its proxy fails.
  bool is_source_missing = false;
  /// What came of TLS with the hosts tried, when no transaction began (RFC 8460).
  std::vector<policy::TlsSession> tls;
  std::string source_problem;  ///< of its proxy, in words
};

/// Where a connection gets its work and leaves the results. Implemented by the dispatcher.
///
/// Sharing: lives on the connection's worker.
class Feed {
 public:
  virtual ~Feed() = default;
  /// Waits for the next job until `deadline`; nothing: say QUIT and end. With a deadline already
  /// passed it never waits: the connection asks what may ride behind the message it is sending.
  virtual base::Task<std::optional<Job>> next(base::Steady deadline) = 0;
  /// Each job taken is finished exactly once.
  virtual void finish(JobResult result) = 0;
};

}  // namespace ekiden::delivery
