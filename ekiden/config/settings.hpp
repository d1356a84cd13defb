#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ekiden/base/log.hpp"
#include "ekiden/base/time.hpp"
#include "ekiden/config/next_hop.hpp"
#include "ekiden/config/rate.hpp"
#include "ekiden/net/address_block.hpp"
#include "ekiden/net/endpoint.hpp"

/// Every setting of the relay, with its default. The members are named as the keys of
/// `ekiden.toml`; what each key means, for people, stands in schema.cpp and nowhere else.
///
/// A value of these types is plain data: read whole (reader.hpp), then shared, never changed.
namespace ekiden::config {

using base::Duration;

/// Octets. Written "10MiB".
using Size = std::uint64_t;

inline constexpr Size kMiB = 1024 * 1024;

enum class Switch : std::uint8_t { Refuse, Allow };

struct Node {
  std::string hostname;  ///< never empty after reading: the machine's own name when not set
  std::string data_dir = "/var/lib/ekiden";
  std::uint32_t id = 0;       ///< part of message ids; differs between nodes that share mail
  std::uint32_t workers = 0;  ///< 0: one per core
  Duration shutdown_timeout = std::chrono::seconds(30);
};

enum class Service : std::uint8_t { Submission, Relay, Inbound };
enum class ListenerTls : std::uint8_t { Off, StartTls, Implicit };
enum class BareNewlines : std::uint8_t { Refuse, Fix };
enum class LongLines : std::uint8_t { Encode, Refuse };
enum class Dmarc : std::uint8_t { Rfc9989, Rfc7489 };

struct Listener {
  net::Endpoint address;
  Service service = Service::Submission;
  ListenerTls tls = ListenerTls::StartTls;
  std::vector<net::AddressBlock> trusted_networks;
  std::vector<net::AddressBlock> proxy_networks;
  BareNewlines bare_newlines = BareNewlines::Refuse;
  LongLines long_lines = LongLines::Encode;
  std::string client_ca;
  std::string tenant = "default";
  std::string stream = "transactional";
  bool hide_submitter = false;
  bool authentication_results = true;
  Dmarc dmarc = Dmarc::Rfc9989;
  bool strict_syntax = false;
  Duration greeting_delay{};
};

enum class RecipientCheck : std::uint8_t { Any, Verify, List };

struct InboundDomain {
  std::string name;  ///< lower case
  std::string recipients = "verify";
  NextHop next_hop;

  // Derived by the reader.
  RecipientCheck check = RecipientCheck::Verify;
  std::vector<std::string> recipient_list;  ///< of the file, as written; sorted
};

struct Tls {
  std::string certificate;
  std::string private_key;
};

enum class HttpService : std::uint8_t { Api, Metrics, Console, Public };
enum class HttpTls : std::uint8_t { Off, Implicit };

struct Http {
  net::Endpoint address;
  std::vector<HttpService> services = {HttpService::Metrics};
  HttpTls tls = HttpTls::Off;
  std::vector<net::AddressBlock> trusted_proxies;
};

struct Public {
  std::string url;
};

enum class DnsMode : std::uint8_t { System, Forward, Recursive };
enum class Dnssec : std::uint8_t { Auto, Require, Off };

struct Dns {
  DnsMode mode = DnsMode::System;
  std::vector<net::Endpoint> forward;
  Dnssec dnssec = Dnssec::Auto;
  std::map<std::string, net::Endpoint> stub;  ///< zone, lower case, with its last dot
  std::vector<std::string> trust_anchors;
};

enum class Dane : std::uint8_t { Auto, Off };
enum class MtaSts : std::uint8_t { On, Off };

struct Delivery {
  std::uint16_t port = 25;
  std::map<std::string, net::Endpoint> connect_map;  ///< "host:port", lower case
  Switch private_next_hops = Switch::Refuse;
  std::string trust_store = "/etc/ssl/certs/ca-certificates.crt";
  Dane dane = Dane::Auto;
  MtaSts mta_sts = MtaSts::On;
  std::uint16_t mta_sts_port = 443;
  std::uint32_t connections = 1000;
  std::uint32_t connections_per_site = 20;
  std::uint32_t messages_per_connection = 1000;
  std::uint32_t recipients_per_transaction = 100;
  Duration connect_timeout = std::chrono::seconds(30);
  Duration command_timeout = std::chrono::minutes(5);
  Duration data_timeout = std::chrono::minutes(3);
  Duration final_dot_timeout = std::chrono::minutes(10);
};

struct Retry {
  Duration first = std::chrono::minutes(5);
  double factor = 2.0;
  Duration max_interval = std::chrono::hours(4);
  Duration expire_after = std::chrono::hours(5 * 24);
  std::optional<Duration> delay_notice_after;  ///< nothing: "off"
  double time_scale = 1.0;

  friend bool operator==(const Retry&, const Retry&) = default;
};

enum class RouteTls : std::uint8_t { Opportunistic, Required, Verified, Off, Dane };

struct Route {
  std::vector<std::string> domains;  ///< lower case: "example.org", "*.example.org", "*"
  NextHop next_hop;
  std::string username;
  std::string password_file;
  RouteTls tls = RouteTls::Opportunistic;
  bool bdat = false;
  std::string provider;  ///< the profile whose limits hold; empty: by MX, and none for hosts
  Retry retry;           ///< [retry] with the route's own keys over it

  // Derived by the reader.
  std::string password;  ///< of the file, its line end removed
};

/// Whether an IPv6 address is used only while its PTR record names the source.
enum class PtrNeed : std::uint8_t { Require, Ignore };

enum class IpFamily : std::uint8_t { Ipv6, Ipv4 };

/// A local address that mail leaves from, and the name that goes with it.
struct Source {
  std::string name;
  std::optional<net::Address> ipv4, ipv6;  ///< neither: as the machine chooses
  /// As others see it, where NAT stands between; nothing: the same.
  std::optional<net::Address> public_ipv4, public_ipv6;
  std::string hostname;  ///< said in EHLO; never empty after reading: node.hostname when not set
  std::vector<IpFamily> families = {IpFamily::Ipv6, IpFamily::Ipv4};  ///< in the order tried
  bool warm_up = false;
  PtrNeed ipv6_ptr = PtrNeed::Require;
  /// A proxy that connections go through: at most one of the two.
  std::optional<net::Endpoint> socks5, haproxy;
  std::string username, password_file;  ///< of the SOCKS5 proxy

  // Derived by the reader.
  std::string password;  ///< of the file, its line end removed
};

/// Names and their shares.
using Weights = std::map<std::string, std::uint32_t>;

/// Whether mail may name a pool.
enum class ByName : std::uint8_t { No, Also, Only };

struct Pool {
  std::string name;
  Weights sources;
  ByName by_name = ByName::No;
  std::vector<std::string> tenants, streams, routes;  ///< empty: any
};

/// Names to one text each, or to several where the key takes lists.
using TextTable = std::map<std::string, std::vector<std::string>>;
using TextPairs = std::vector<std::pair<std::string, std::string>>;

enum class KeepOriginal : std::uint8_t { OriginalFrom, ReplyTo, Nowhere };

struct Rewrite {
  std::string name;  ///< never empty after reading: "rewrite 1" when not set
  std::vector<std::string> listeners, tenants, streams, routes;
  TextTable sender_map;
  std::string sender_map_file;
  TextTable recipient_map;
  std::string recipient_map_file;
  TextTable masquerade;
  std::vector<std::string> masquerade_except;
  TextTable aliases;
  std::string aliases_file;
  std::string header_from;
  std::string header_reply_to;
  KeepOriginal keep_original = KeepOriginal::OriginalFrom;
  std::string return_path;
  std::string bounce_domain;
  std::vector<std::string> remove_headers;
  TextTable add_headers;
  TextTable replace_headers;
  std::string feedback_id;
  std::vector<std::string> list_unsubscribe;

  // Derived by the reader: tables and files together.
  TextPairs sender_entries, recipient_entries, alias_entries;
};

struct Signing {
  std::string relay_domain;  ///< canonical; empty: no second signature
  std::vector<std::string> oversign = {"From"};
  bool arc = true;
};

enum class AlignmentMode : std::uint8_t { Off, Warn, Hold, Refuse };

struct Alignment {
  std::string tenant;  ///< "*": every other
  AlignmentMode mode = AlignmentMode::Warn;
};

enum class DsnFailure : std::uint8_t { Send, EventsOnly };

struct Dsn {
  DsnFailure failure = DsnFailure::Send;
};

struct Spool {
  Size memory_budget = 256 * kMiB;
  Duration commit_interval = std::chrono::milliseconds(10);
  Size disk_reserve = 256 * kMiB;
};

/// Whose dialogue with the next hop becomes a part of its event.
enum class Transcripts : std::uint8_t {
  None,
  Failures,  ///< attempts that failed, and the last one of who was tried more than once
  All,
};

struct Events {
  Duration retention = std::chrono::hours(30 * 24);
  Transcripts transcripts = Transcripts::Failures;
  Size backlog_max = 1024 * kMiB;
};

/// How long what is kept beside the events is kept.
struct Retention {
  Duration transcripts = std::chrono::hours(14 * 24);
  Duration archive = std::chrono::hours(30 * 24);
  Duration idempotency = std::chrono::hours(48);
  Duration webhook_attempts = std::chrono::hours(7 * 24);
};

/// Copies of tenants' messages, where a tenant or stream asks for it.
struct Archive {
  Size message_max = 25 * kMiB;
  Size size_max = 10 * 1024 * kMiB;
  Size backlog_max = 64 * kMiB;
};

struct Webhooks {
  std::vector<net::AddressBlock> allow_networks;
  Duration timeout = std::chrono::seconds(20);
};

/// Reports on TLS to recipient domains (RFC 8460).
struct TlsReports {
  std::string from;  ///< empty: none are collected or sent
  std::string contact, organization;
  Duration max_delay = std::chrono::hours(4);
};

struct Limits {
  Size message_size = 50 * kMiB;
  std::uint32_t recipients_per_message = 1000;
  std::uint32_t connections = 10000;
  /// The three limits by address leave out loopback and trusted networks: a local application
  /// is one address.
  std::uint32_t connections_per_address = 100;
  Rate connection_rate;
  Rate message_rate;
  std::uint32_t commands_per_session = 100000;
  std::uint32_t errors_per_session = 20;
  std::uint32_t received_max = 50;
  Duration command_timeout = std::chrono::minutes(5);
  Duration data_timeout = std::chrono::minutes(3);
};

/// What one check of a password costs, and how many run at once.
struct Passwords {
  Size memory = 19 * kMiB;  ///< OWASP's recommendation, with two passes
  std::uint32_t iterations = 2;
  std::uint32_t parallel = 2;
};

/// How mail is paced towards providers (ekiden/shaping).
struct Shaping {
  std::string rules_dir;  ///< empty: what is compiled in
  bool limits = true;
};

struct Log {
  base::log::Level level = base::log::Level::Info;
  base::log::Format format = base::log::Format::Logfmt;
};

struct Settings {
  Node node;
  std::vector<Listener> listener;
  std::vector<InboundDomain> inbound_domain;
  Tls tls;
  std::vector<Http> http;
  Public public_;
  Dns dns;
  Delivery delivery;
  std::vector<Route> route;
  std::vector<Source> source;
  std::vector<Pool> pool;
  Retry retry;
  std::vector<Rewrite> rewrite;
  Signing signing;
  std::vector<Alignment> alignment;
  Dsn dsn;
  Spool spool;
  Events events;
  Retention retention;
  Archive archive;
  Webhooks webhooks;
  TlsReports tls_reports;
  Limits limits;
  Passwords passwords;
  Shaping shaping;
  Log log;
};

}  // namespace ekiden::config
