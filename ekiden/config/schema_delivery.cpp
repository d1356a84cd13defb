// The keys of [delivery], [[route]], [dsn] and [retry].
#include "ekiden/config/schema_values.hpp"

namespace ekiden::config {

std::vector<Key> delivery_keys(Delivery& v) {
  return {
      {.name = "port",
       .value = &v.port,
       .doc = "The port of next hops that name none.",
       .min = 1,
       .max = 65535},
      {.name = "connect_map",
       .value = &v.connect_map,
       .doc = "Connects elsewhere than the name says. For test beds.",
       .example = "{ \"mx.example.com:25\" = \"127.0.0.1:2600\" }"},
      {.name = "private_next_hops",
       .value = choice(v.private_next_hops, {"refuse", "allow"}),
       .doc = "An MX whose address is loopback or private. Hosts named by a route are always "
              "allowed."},
      {.name = "trust_store",
       .value = &v.trust_store,
       .doc = "The authorities that certificates of next hops are verified against, PEM.",
       .text = TextKind::File},
      {.name = "dane",
       .value = choice(v.dane, {"auto", "off"}),
       .doc = "auto: where DNSSEC vouches for a domain's MX and for TLSA records of its hosts, "
              "they decide (RFC 7672); without a validating resolver there are none. See "
              "docs/TRANSPORT.md."},
      {.name = "mta_sts",
       .value = choice(v.mta_sts, {"on", "off"}),
       .doc = "on: a recipient domain's MTA-STS policy is fetched, kept and obeyed (RFC 8461)."},
      {.name = "mta_sts_port",
       .value = &v.mta_sts_port,
       .doc = "The port that MTA-STS policies are fetched from. For test beds.",
       .min = 1,
       .max = 65535},
      {.name = "connections",
       .value = &v.connections,
       .doc = "Outgoing connections, in all; asking next hops which recipients exist comes beside "
              "them. Where more are wanted, sites take turns.",
       .min = 1,
       .max = 1'000'000},
      {.name = "connections_per_site",
       .value = &v.connections_per_site,
       .doc =
           "Outgoing connections to one set of mail hosts, from all pools of sources, whatever is "
           "asked of TLS, by all routes. Mail that a provider's profile claims by its domain or "
           "its route counts apart.",
       .min = 1,
       .max = 100'000},
      {.name = "messages_per_connection",
       .value = &v.messages_per_connection,
       .doc = "Messages on one connection before a new one is opened.",
       .min = 1,
       .max = 1'000'000},
      {.name = "recipients_per_transaction",
       .value = &v.recipients_per_transaction,
       .doc = "Recipients of one domain in one transaction.",
       .min = 1,
       .max = 10'000},
      {.name = "connect_timeout",
       .value = &v.connect_timeout,
       .doc = "How long a next hop's address may take to answer a connection.",
       .min = kTimeOutMin,
       .max = kHour},
      {.name = "command_timeout",
       .value = &v.command_timeout,
       .doc = "How long a next hop may take for its greeting and for each reply before the "
              "message. RFC 5321 §4.5.3.2 asks for 5m; less warns.",
       .min = kTimeOutMin,
       .max = kHour},
      {.name = "data_timeout",
       .value = &v.data_timeout,
       .doc = "How long a next hop may take to answer DATA, and to take each part of a message. "
              "RFC 5321 §4.5.3.2 asks for 3m; less warns.",
       .min = kTimeOutMin,
       .max = kHour},
      {.name = "final_dot_timeout",
       .value = &v.final_dot_timeout,
       .doc = "How long a next hop may take to answer a whole message. RFC 5321 §4.5.3.2 asks for "
              "10m; less warns, since a peer that takes the message just as we give up makes a "
              "duplicate.",
       .min = kTimeOutMin,
       .max = 6 * kHour},
  };
}

std::vector<Key> route_keys(Route& v) {
  return {
      {.name = "domains",
       .value = &v.domains,
       .doc = "Recipient domains: \"example.org\", \"*.example.org\" (every name below it), "
              "\"*\" (all). The first route that matches wins; without one, MX.",
       .example = "[\"*.example.org\", \"example.org\"]",
       .text = TextKind::Domains,
       .is_required = true},
      {.name = "next_hop",
       .value = &v.next_hop,
       .doc = "host:port, [v6]:port, or a list tried in order; \"mx\": as the DNS says; "
              "\"hold\": wait for an operator; \"discard\": drop, with an event. Port 465 means "
              "TLS from the first octet.",
       .example = "\"smarthost.example:587\"",
       .is_required = true},
      {.name = "username",
       .value = &v.username,
       .doc = "The name to log in with at the next hop.",
       .example = "\"u\""},
      {.name = "password_file",
       .value = &v.password_file,
       .doc = "A file with the password for it; its last line end is not part of it.",
       .example = "\"/etc/ekiden/smarthost.secret\"",
       .text = TextKind::File},
      {.name = "tls",
       .value = choice(v.tls, {"opportunistic", "required", "verified", "off", "dane"}),
       .doc = "opportunistic: when offered; required: never in the clear; verified: chain and "
              "name must be right as well; dane: only with a TLSA record that matches (RFC 7672 "
              "§6); off: never."},
      {.name = "bdat",
       .value = &v.bdat,
       .doc = "Send with BDAT wherever the next hop offers CHUNKING, not only where a message "
              "needs it."},
      {.name = "provider",
       .value = &v.provider,
       .doc = "The provider whose limits hold on this route (docs/SHAPING.md). Without it: with "
              "\"mx\" that of the MX host, and for hosts that are named here none.",
       .example = "\"gmail\""},
      {.name = "retry",
       .value = RetryTable{&v.retry},
       .doc = "Any key of [retry], for this route.",
       .example = "{ expire_after = \"1d\" }"},
  };
}

std::vector<Key> dsn_keys(Dsn& v) {
  return {
      {.name = "failure",
       .value = choice(v.failure, {"send", "events-only"}),
       .doc = "What a failed recipient of mail taken over SMTP causes: a delivery status "
              "notification to the sender and an event, or the event only."},
  };
}

std::vector<Key> retry_keys(Retry& v) {
  return {
      {.name = "first",
       .value = &v.first,
       .doc = "The wait after the first deferral; every wait varies by a tenth or so.",
       .min = 1000},
      {.name = "factor",
       .value = &v.factor,
       .doc = "How much longer each wait is than the one before.",
       .min = 1,
       .max = 100},
      {.name = "max_interval", .value = &v.max_interval, .doc = "The longest wait.", .min = 1000},
      {.name = "expire_after",
       .value = &v.expire_after,
       .doc = "When a recipient is given up, whatever state it is in (RFC 5321 §4.5.4.1 asks "
              "for four to five days).",
       .min = 1000},
      {.name = "delay_notice_after",
       .value = &v.delay_notice_after,
       .doc = "When to tell the sender that mail is late. Off: only where NOTIFY=DELAY asks.",
       .example = "\"4h\""},
      {.name = "time_scale",
       .value = &v.time_scale,
       .doc = "Multiplies every wait above. For tests only; another value than 1.0 warns.",
       .min = 1e-6,
       .max = 1000},
  };
}

}  // namespace ekiden::config
