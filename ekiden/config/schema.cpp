#include "ekiden/config/schema.hpp"

#include <utility>

#include "ekiden/base/assert.hpp"
#include "ekiden/config/schema_values.hpp"

namespace ekiden::config {

namespace {

std::vector<Key> node_keys(Node& v) {
  return {
      {.name = "hostname",
       .value = &v.hostname,
       .doc = "The relay's name, with its domain: in the banner, in EHLO and in Received. Its "
              "address record should point here. Without it, the machine's own name.",
       .example = "\"relay.example.jp\"",
       .text = TextKind::HostName},
      {.name = "data_dir",
       .value = &v.data_dir,
       .doc = "Where the spool, the events, the control store and the control socket lie.",
       .text = TextKind::Directory},
      {.name = "id",
       .value = &v.id,
       .doc = "Part of every message id. Give nodes that exchange mail different numbers.",
       .max = 65535},
      {.name = "workers",
       .value = &v.workers,
       .doc = "Worker threads. 0 means one per core.",
       .max = 255},
      {.name = "shutdown_timeout",
       .value = &v.shutdown_timeout,
       .doc = "How long a stopping relay lets running sessions and deliveries finish. What is "
              "cut off then is delivered after the next start.",
       .max = kDay},
  };
}

std::vector<Key> listener_keys(Listener& v) {
  return {
      {.name = "address",
       .value = &v.address,
       .doc = "The local address and port to take mail on. [::] takes IPv6 only, so name "
              "0.0.0.0 in a listener of its own for IPv4.",
       .example = "\"0.0.0.0:587\"",
       .is_required = true},
      {.name = "service",
       .value = choice(v.service, {"submission", "relay", "inbound"}),
       .doc = "Who is served. submission: users who log in; relay: trusted networks, and users "
              "who log in; inbound: anybody, for the domains of [[inbound_domain]] only.",
       .is_required = true},
      {.name = "tls",
       .value = choice(v.tls, {"off", "starttls", "implicit"}),
       .doc = "TLS after STARTTLS, from the first octet (port 465), or not at all. Passwords are "
              "taken under TLS only, save on a loopback address."},
      {.name = "trusted_networks",
       .value = &v.trusted_networks,
       .doc = "Clients that may relay without logging in (service \"relay\"). A private block "
              "warns, because container bridges and NAT make strangers look local; a public one "
              "is refused.",
       .example = "[\"127.0.0.0/8\", \"::1/128\"]"},
      {.name = "proxy_networks",
       .value = &v.proxy_networks,
       .doc = "Load balancers that announce the client with the PROXY protocol, version 1 or 2. "
              "When set, the header is required from them and everybody else is dropped.",
       .example = "[\"10.0.0.7/32\"]"},
      {.name = "bare_newlines",
       .value = choice(v.bare_newlines, {"refuse", "fix"}),
       .doc = "A carriage return or line feed alone inside a message: refuse the message, or "
              "make it CRLF. It never ends a message either way (RFC 5321 §2.3.8)."},
      {.name = "long_lines",
       .value = choice(v.long_lines, {"encode", "refuse"}),
       .doc = "A line of a client's message longer than 998 octets (RFC 5322 §2.1.1): encode "
              "its part anew, or refuse the message. Mail for our own domains is left as it is."},
      {.name = "client_ca",
       .value = &v.client_ca,
       .doc = "A PEM file: client certificates signed by one of its certificates may log in "
              "(`ekiden user add --certificate-sha256`).",
       .example = "\"/etc/ekiden/tls/clients.pem\"",
       .text = TextKind::File},
      {.name = "tenant",
       .value = &v.tenant,
       .doc = "The tenant of mail that came without logging in."},
      {.name = "stream",
       .value = &v.stream,
       .doc = "The stream of mail that came without logging in."},
      {.name = "hide_submitter",
       .value = &v.hide_submitter,
       .doc = "Leave the client's name and address out of the Received field."},
      {.name = "authentication_results",
       .value = &v.authentication_results,
       .doc =
           "Evaluate SPF, DKIM, ARC and DMARC of mail for our own domains (service \"inbound\"), "
           "and say what came of it in an Authentication-Results field under our name; fields "
           "that claim to be ours are removed. Nothing is refused for it, and the client waits "
           "for its 250 while the DNS is asked."},
      {.name = "dmarc",
       .value = choice(v.dmarc, {"rfc9989", "rfc7489"}),
       .doc = "Which DMARC mail for our own domains is evaluated by. rfc9989 finds organizations "
              "by a walk through the DNS; rfc7489 by the public suffix list, and knows pct."},
      {.name = "strict_syntax",
       .value = &v.strict_syntax,
       .doc = "Refuse what RFC 5321 does not allow but real clients send: a space after \"MAIL "
              "FROM:\", two spaces where one stands, words behind EHLO that are no domain, "
              "underscores in domains, local parts over 64 octets or with dots that lead, trail or "
              "double. Some mailboxes in Japan have such dots; their mail is refused with it."},
      {.name = "greeting_delay",
       .value = &v.greeting_delay,
       .doc = "How long a client must keep silent before it is greeted; one that speaks earlier is "
              "refused (RFC 5321 §4.3.1). Zero looks only whether it has spoken. Programs that "
              "send spam wait less than six seconds; people's mail programs notice two.",
       .example = "\"6s\"",
       .max = 5 * kMinute},
  };
}

std::vector<Key> inbound_domain_keys(InboundDomain& v) {
  return {
      {.name = "name",
       .value = &v.name,
       .doc = "A domain whose mail the listeners of service \"inbound\" take.",
       .example = "\"example.jp\"",
       .text = TextKind::HostName,
       .is_required = true},
      {.name = "recipients",
       .value = &v.recipients,
       .doc = "Which addresses exist. \"any\": all; \"verify\": those that the next hop takes at "
              "RCPT, cached; else a file with one address or local part a line. Others are "
              "refused at RCPT and never bounced later."},
      {.name = "next_hop",
       .value = &v.next_hop,
       .doc = "Where the domain's mail goes, and who is asked which addresses exist: host:port, or "
              "a list tried in order.",
       .example = "\"10.0.0.5:25\"",
       .is_required = true},
  };
}

std::vector<Key> tls_keys(Tls& v) {
  return {
      {.name = "certificate",
       .value = &v.certificate,
       .doc = "The certificate with its chain, PEM. Read again on reload.",
       .example = "\"/etc/ekiden/tls/fullchain.pem\"",
       .text = TextKind::File},
      {.name = "private_key",
       .value = &v.private_key,
       .doc = "The certificate's private key, PEM.",
       .example = "\"/etc/ekiden/tls/key.pem\"",
       .text = TextKind::File},
  };
}

std::vector<Key> http_keys(Http& v) {
  return {
      {.name = "address",
       .value = &v.address,
       .doc = "The local address and port for HTTP. /healthz is served on each.",
       .example = "\"127.0.0.1:8025\"",
       .is_required = true},
      {.name = "services",
       .value = choices(v.services, {"api", "metrics", "console", "public"}),
       .doc = "What is served here. metrics: /metrics for Prometheus. api: the HTTP API "
              "(docs/API.md). public: the links of List-Unsubscribe, for anybody, best at an "
              "address of its own. console is reserved for a later version: this one warns about "
              "it, and its paths answer 404."},
      {.name = "tls",
       .value = choice(v.tls, {"off", "implicit"}),
       .doc = "Whether HTTP runs under TLS, with the certificate of [tls]."},
      {.name = "trusted_proxies",
       .value = &v.trusted_proxies,
       .doc = "Reverse proxies whose X-Forwarded-For says who the client of the API is.",
       .example = "[\"127.0.0.0/8\"]"},
  };
}

std::vector<Key> public_keys(Public& v) {
  return {
      {.name = "url",
       .value = &v.url,
       .doc = "How an http address with the service public is reached from outside, https only: "
              "the base of links in mail, as in list_unsubscribe = "
              "[\"https://mail.example.jp/unsubscribe/{token}\"].",
       .example = "\"https://mail.example.jp\"",
       .text = TextKind::Url},
  };
}

std::vector<Key> dns_keys(Dns& v) {
  return {
      {.name = "mode",
       .value = choice(v.mode, {"system", "forward", "recursive"}),
       .doc = "Whom to ask: the resolvers of /etc/resolv.conf, those of `forward`, or the DNS "
              "from its root by ourselves."},
      {.name = "forward",
       .value = &v.forward,
       .doc = "Resolvers for mode \"forward\".",
       .example = "[\"127.0.0.1:5353\"]"},
      {.name = "dnssec",
       .value = choice(v.dnssec, {"auto", "require", "off"}),
       .doc = "auto: validate when the resolver passes signatures on, else say so once and do "
              "without DANE; require: validate always, so mail waits without them; off: never."},
      {.name = "stub",
       .value = &v.stub,
       .doc = "Zones asked of a server of their own.",
       .example = "{ \"test.\" = \"127.0.0.1:15353\" }"},
      {.name = "trust_anchors",
       .value = &v.trust_anchors,
       .doc = "Files with trust anchors, beside the root's key.",
       .example = "[\"/etc/ekiden/anchors.key\"]",
       .text = TextKind::File},
  };
}

std::vector<Key> spool_keys(Spool& v) {
  return {
      {.name = "memory_budget",
       .value = &v.memory_budget,
       .doc = "Octets of queued messages kept in memory; the rest is read back when due.",
       .min = 1024 * 1024},
      {.name = "commit_interval",
       .value = &v.commit_interval,
       .doc = "How long the outcome of an attempt may wait for company before it is synced. Mail "
              "being accepted never waits for it.",
       .min = 1000,
       .max = 1e6},
      {.name = "disk_reserve",
       .value = &v.disk_reserve,
       .doc = "Disk kept for outcomes and events: new mail is refused before it is touched.",
       .min = 128.0 * 1024 * 1024},
  };
}

std::vector<Key> events_keys(Events& v) {
  return {
      {.name = "retention",
       .value = &v.retention,
       .doc = "How long `message trace` can look back. Whole days are removed, oldest first.",
       .min = kDay},
      {.name = "transcripts",
       .value = choice(v.transcripts, {"none", "failures", "all"}),
       .doc =
           "Whose dialogue with the next hop is kept with its event: of attempts that failed and "
           "of the delivery after them, or of first deliveries too. Passwords and messages are "
           "never in it."},
      {.name = "backlog_max",
       .value = &v.backlog_max,
       .doc = "Events that wait for a slow event store before the oldest spill to plain files.",
       .min = 1024 * 1024},
  };
}

std::vector<Key> retention_keys(Retention& v) {
  return {
      {.name = "transcripts",
       .value = &v.transcripts,
       .doc = "Dialogues of delivery attempts; never longer than events.retention.",
       .min = kDay},
      {.name = "archive",
       .value = &v.archive,
       .doc = "Copies of messages, where a tenant or stream keeps them. Whole days are removed.",
       .min = kDay},
      {.name = "idempotency",
       .value = &v.idempotency,
       .doc = "Answers to requests with an Idempotency-Key.",
       .min = 3600e6},
      {.name = "webhook_attempts",
       .value = &v.webhook_attempts,
       .doc = "The attempt log of webhooks, of which the newest 200 of each are kept.",
       .min = 3600e6},
  };
}

std::vector<Key> archive_keys(Archive& v) {
  return {
      {.name = "message_max",
       .value = &v.message_max,
       .doc = "Larger messages are not archived.",
       .min = 1024},
      {.name = "size_max",
       .value = &v.size_max,
       .doc = "Of the whole archive on disk; past it the oldest day goes.",
       .min = 1024 * 1024},
      {.name = "backlog_max",
       .value = &v.backlog_max,
       .doc = "Messages in memory that wait for a slow archive. Past it a message is accepted and "
              "not archived, and counted in ekiden_archive_messages_total.",
       .min = 1024 * 1024},
  };
}

std::vector<Key> webhooks_keys(Webhooks& v) {
  return {
      {.name = "allow_networks",
       .value = &v.allow_networks,
       .doc = "Addresses that webhooks may lead to although they are not on the Internet, and over "
              "http. Every tenant may then post there.",
       .example = "[\"10.20.0.0/16\"]"},
      {.name = "timeout",
       .value = &v.timeout,
       .doc = "How long one post may take, its answer included.",
       .min = 1e6,
       .max = 60e6},
  };
}

std::vector<Key> tls_reports_keys(TlsReports& v) {
  return {
      {.name = "from",
       .value = &v.from,
       .doc =
           "Who reports are from; their mail is signed with its domain's key. Without it nothing "
           "is collected or sent.",
       .example = "\"tls-reports@example.jp\""},
      {.name = "contact",
       .value = &v.contact,
       .doc = "contact-info of the reports: how their readers reach a person. `from` without it.",
       .example = "\"postmaster@example.jp\""},
      {.name = "organization",
       .value = &v.organization,
       .doc = "organization-name of the reports. `node.hostname` without it."},
      {.name = "max_delay",
       .value = &v.max_delay,
       .doc = "A day's reports leave at a random time within this after the day's end, so that not "
              "every relay sends at midnight UTC.",
       .min = 0,
       .max = 12.0 * 3600e6},
  };
}

std::vector<Key> limits_keys(Limits& v) {
  return {
      {.name = "message_size",
       .value = &v.message_size,
       .doc = "The largest message, as SIZE announces it.",
       .min = 64.0 * 1024,
       .max = 1ULL << 40},
      {.name = "recipients_per_message",
       .value = &v.recipients_per_message,
       .doc = "Recipients in one transaction (RFC 5321 §4.5.3.1.8 asks for 100 at least).",
       .min = 1,
       .max = 100'000},
      {.name = "connections",
       .value = &v.connections,
       .doc = "Incoming connections, over all listeners.",
       .min = 1,
       .max = 1'000'000},
      {.name = "connections_per_address",
       .value = &v.connections_per_address,
       .doc = "Incoming connections from one address; an IPv6 /64 counts as one. Loopback and "
              "trusted networks are not counted.",
       .min = 1,
       .max = 1'000'000},
      {.name = "connection_rate",
       .value = &v.connection_rate,
       .doc = "New connections from one such address; more are refused with 421. As many may come "
              "at once as the rate names.",
       .example = "\"100/min\""},
      {.name = "message_rate",
       .value = &v.message_rate,
       .doc = "Messages from one such address; more are put off with 450 at MAIL.",
       .example = "\"1000/h\""},
      {.name = "commands_per_session",
       .value = &v.commands_per_session,
       .doc = "Commands in one session that no accepted message needed; past it the session ends "
              "with 421.",
       .min = 100},
      {.name = "errors_per_session",
       .value = &v.errors_per_session,
       .doc = "Commands answered 5xx in one session; past it the session ends with 421.",
       .min = 1,
       .max = 100'000},
      {.name = "received_max",
       .value = &v.received_max,
       .doc = "Received fields that a message may have; more means a loop, 5.4.6.",
       .min = 5,
       .max = 1000},
      {.name = "command_timeout",
       .value = &v.command_timeout,
       .doc = "How long a client may take for its next command. RFC 5321 §4.5.3.2.7 asks for 5m; "
              "less warns.",
       .min = kTimeOutMin,
       .max = kDay},
      {.name = "data_timeout",
       .value = &v.data_timeout,
       .doc = "How long a client may pause inside a message. RFC 5321 §4.5.3.2.5 asks for 3m; "
              "less warns.",
       .min = kTimeOutMin,
       .max = kDay},
  };
}

std::vector<Key> passwords_keys(Passwords& v) {
  return {
      {.name = "memory",
       .value = &v.memory,
       .doc = "Memory of one argon2id computation, for passwords set from now on.",
       .min = 8.0 * 1024 * 1024,
       .max = 4096.0 * 1024 * 1024},
      {.name = "iterations",
       .value = &v.iterations,
       .doc = "Passes over it, for passwords set from now on.",
       .min = 1,
       .max = 100},
      {.name = "parallel",
       .value = &v.parallel,
       .doc = "Passwords checked at once; others wait.",
       .min = 1,
       .max = 64},
  };
}

std::vector<Key> shaping_keys(Shaping& v) {
  return {
      {.name = "rules_dir",
       .value = &v.rules_dir,
       .doc =
           "A folder of files like those of config/providers, one a provider: gmail.toml is read "
           "over the shipped profile of that name, another name adds a provider. `ekiden config "
           "check` reads them all (docs/SHAPING.md).",
       .example = "\"/etc/ekiden/providers\"",
       .text = TextKind::Directory},
      {.name = "limits",
       .value = &v.limits,
       .doc = "Obey the providers' limits, and learn from their replies. Without it only "
              "[delivery] bounds what is sent."},
  };
}

std::vector<Key> log_keys(Log& v) {
  return {
      {.name = "level",
       .value = choice(v.level, {"debug", "info", "warning", "error"}),
       .doc = "The least important lines to write, to standard error."},
      {.name = "format",
       .value = choice(v.format, {"logfmt", "json"}),
       .doc = "key=value pairs, or one JSON object a line."},
  };
}

}  // namespace

const std::vector<Section>& sections() {
  static const std::vector<Section> kSections = {
      {"node", false, "The relay itself."},
      {"listener", true, "Where mail is taken over SMTP, and from whom. Repeat it."},
      {"inbound_domain", true, "Our own domains, for listeners of service \"inbound\"."},
      {"tls", false, "The certificate of listeners and HTTP addresses."},
      {"http", true, "Where HTTP is served."},
      {"public", false, "How the relay is reached from outside, for links in mail."},
      {"dns", false, "How names are resolved."},
      {"delivery", false, "How mail leaves."},
      {"route", true, "Recipient domains that do not simply follow their MX. First match wins."},
      {"source", true,
       "An address that mail leaves from, with the name that it goes by. Without any, mail leaves "
       "as the machine chooses, under node.hostname (docs/EGRESS.md)."},
      {"pool", true,
       "Sources that share the mail of tenants, streams or routes. The first pool whose conditions "
       "hold is taken, so the last has none. Without any, all sources share all mail."},
      {"retry", false, "When a deferred recipient is tried again, and until when."},
      {"rewrite", true,
       "Addresses and headers to be rewritten. Every rule whose conditions hold acts, in the order "
       "of the file, on what those before it made (docs/REWRITING.md)."},
      {"signing", false, "Signatures of mail that leaves (docs/AUTHENTICATION.md)."},
      {"alignment", true,
       "What becomes of a tenant's mail that would fail at those who receive it. Without any, it "
       "is warned of."},
      {"dsn", false, "Delivery status notifications."},
      {"spool", false, "Messages on disk."},
      {"events", false, "The record of what happened to each message."},
      {"retention", false, "How long what is kept beside the events is kept."},
      {"archive", false, "Copies of messages (docs/EVENTS.md): `ekiden tenant set --archive`."},
      {"webhooks", false, "Where tenants may have events posted to (docs/WEBHOOKS.md)."},
      {"tls_reports", false, "Reports on TLS to recipient domains (docs/TRANSPORT.md)."},
      {"limits", false, "What one client, session or message may take."},
      {"passwords", false, "What checking a password costs."},
      {"shaping", false, "Providers: how their replies are read, and how fast they take mail."},
      {"log", false, "The log, on standard error."},
  };
  return kSections;
}

std::vector<Key> keys_of(const Section& section, Settings& s, std::size_t i) {
  const std::string& name = section.name;
  if (name == "node") return node_keys(s.node);
  if (name == "listener") return listener_keys(s.listener[i]);
  if (name == "inbound_domain") return inbound_domain_keys(s.inbound_domain[i]);
  if (name == "tls") return tls_keys(s.tls);
  if (name == "http") return http_keys(s.http[i]);
  if (name == "public") return public_keys(s.public_);
  if (name == "dns") return dns_keys(s.dns);
  if (name == "delivery") return delivery_keys(s.delivery);
  if (name == "route") return route_keys(s.route[i]);
  if (name == "source") return source_keys(s.source[i]);
  if (name == "pool") return pool_keys(s.pool[i]);
  if (name == "retry") return retry_keys(s.retry);
  if (name == "rewrite") return rewrite_keys(s.rewrite[i]);
  if (name == "signing") return signing_keys(s.signing);
  if (name == "alignment") return alignment_keys(s.alignment[i]);
  if (name == "dsn") return dsn_keys(s.dsn);
  if (name == "spool") return spool_keys(s.spool);
  if (name == "events") return events_keys(s.events);
  if (name == "retention") return retention_keys(s.retention);
  if (name == "archive") return archive_keys(s.archive);
  if (name == "webhooks") return webhooks_keys(s.webhooks);
  if (name == "tls_reports") return tls_reports_keys(s.tls_reports);
  if (name == "limits") return limits_keys(s.limits);
  if (name == "passwords") return passwords_keys(s.passwords);
  if (name == "shaping") return shaping_keys(s.shaping);
  EKIDEN_ASSERT(name == "log", "sections() names no other");
  return log_keys(s.log);
}

std::size_t entries_of(const Section& section, const Settings& s) {
  if (section.name == "listener") return s.listener.size();
  if (section.name == "inbound_domain") return s.inbound_domain.size();
  if (section.name == "http") return s.http.size();
  if (section.name == "route") return s.route.size();
  if (section.name == "source") return s.source.size();
  if (section.name == "pool") return s.pool.size();
  if (section.name == "rewrite") return s.rewrite.size();
  if (section.name == "alignment") return s.alignment.size();
  return 1;
}

void add_entry(const Section& section, Settings& s) {
  if (section.name == "listener") s.listener.emplace_back();
  if (section.name == "inbound_domain") s.inbound_domain.emplace_back();
  if (section.name == "http") s.http.emplace_back();
  if (section.name == "route") s.route.emplace_back();
  if (section.name == "source") s.source.emplace_back();
  if (section.name == "pool") s.pool.emplace_back();
  if (section.name == "rewrite") s.rewrite.emplace_back();
  if (section.name == "alignment") s.alignment.emplace_back();
}

}  // namespace ekiden::config
