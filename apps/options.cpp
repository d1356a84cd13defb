// What each module takes of the settings. Nothing below apps/ reads them.
#include <algorithm>

#include "apps/relay.hpp"
#include "ekiden/smtp/address.hpp"

namespace ekiden::apps {
namespace {

queue::RetryPolicy retry_policy(const config::Retry& retry) {
  return {retry.first,
          retry.factor,
          retry.max_interval,
          retry.expire_after,
          retry.delay_notice_after,
          retry.time_scale};
}

delivery::TlsPolicy tls_policy(config::RouteTls tls) {
  switch (tls) {
    case config::RouteTls::Opportunistic:
      return delivery::TlsPolicy::Opportunistic;
    case config::RouteTls::Required:
      return delivery::TlsPolicy::Required;
    case config::RouteTls::Verified:
      return delivery::TlsPolicy::Verified;
    case config::RouteTls::Off:
      return delivery::TlsPolicy::Off;
    case config::RouteTls::Dane:
      return delivery::TlsPolicy::Dane;
  }
  return delivery::TlsPolicy::Verified;
}

std::vector<std::string> next_hop_texts(const config::NextHop& next_hop, std::uint16_t port) {
  switch (next_hop.kind) {
    case config::NextHop::Kind::Mx:
      return {"mx"};
    case config::NextHop::Kind::Hold:
      return {"hold"};
    case config::NextHop::Kind::Discard:
      return {"discard"};
    case config::NextHop::Kind::Hosts:
      break;
  }
  std::vector<std::string> texts;
  for (config::HostPort host : next_hop.hosts) {
    if (host.port == 0) host.port = port;
    texts.push_back(config::format_host_port(host));
  }
  return texts;
}

inbound::Rate rate(const config::Rate& rate) {
  return {rate.count, rate.per};
}

inbound::Limits client_limits(const config::Settings& settings) {
  inbound::Limits limits;
  limits.connections = settings.limits.connections;
  limits.connections_per_address = settings.limits.connections_per_address;
  limits.connection_rate = rate(settings.limits.connection_rate);
  limits.message_rate = rate(settings.limits.message_rate);
  limits.message_octets = settings.limits.message_size;
  limits.recipients_per_message = settings.limits.recipients_per_message;
  limits.commands = settings.limits.commands_per_session;
  limits.errors = settings.limits.errors_per_session;
  limits.received_fields = settings.limits.received_max;
  return limits;
}

inbound::Service service(config::Service service) {
  switch (service) {
    case config::Service::Submission:
      return inbound::Service::Submission;
    case config::Service::Relay:
      return inbound::Service::Relay;
    case config::Service::Inbound:
      return inbound::Service::Inbound;
  }
  return inbound::Service::Submission;
}

inbound::ListenerTls listener_tls(config::ListenerTls tls) {
  switch (tls) {
    case config::ListenerTls::Off:
      return inbound::ListenerTls::Off;
    case config::ListenerTls::StartTls:
      return inbound::ListenerTls::StartTls;
    case config::ListenerTls::Implicit:
      return inbound::ListenerTls::Implicit;
  }
  return inbound::ListenerTls::StartTls;
}

std::map<std::string, inbound::InboundDomain, std::less<>> inbound_domains(
    const config::Settings& settings) {
  std::map<std::string, inbound::InboundDomain, std::less<>> domains;
  for (const config::InboundDomain& domain : settings.inbound_domain) {
    inbound::InboundDomain made;
    switch (domain.check) {
      case config::RecipientCheck::Any:
        made.check = inbound::RecipientCheck::Any;
        break;
      case config::RecipientCheck::Verify:
        made.check = inbound::RecipientCheck::Verify;
        break;
      case config::RecipientCheck::List:
        made.check = inbound::RecipientCheck::List;
        break;
    }
    for (const std::string& recipient : domain.recipient_list)
      if (const auto address = smtp::parse_address(recipient))
        made.recipients.insert(smtp::comparison_key(*address));
    if (domain.next_hop.kind == config::NextHop::Kind::Hosts)
      for (const std::string& host : next_hop_texts(domain.next_hop, settings.delivery.port))
        made.next_hop.append(made.next_hop.empty() ? "" : ",").append(host);
    const Result<std::string> name = smtp::canonical_domain(domain.name);
    domains[name ? *name : domain.name] = std::move(made);
  }
  return domains;
}

/// Another relay may try as long as we did, and its report takes its time.
constexpr base::Duration kReturnPathValidBeyond = std::chrono::hours(30 * 24);

rewrite::Entries single_texts(const config::TextTable& table) {
  rewrite::Entries entries;
  for (const auto& [name, texts] : table) entries.emplace_back(name, texts.front());
  return entries;
}

rewrite::KeepOriginal keep_original(config::KeepOriginal keep) {
  switch (keep) {
    case config::KeepOriginal::OriginalFrom:
      return rewrite::KeepOriginal::OriginalFrom;
    case config::KeepOriginal::ReplyTo:
      return rewrite::KeepOriginal::ReplyTo;
    case config::KeepOriginal::Nowhere:
      return rewrite::KeepOriginal::Nowhere;
  }
  return rewrite::KeepOriginal::OriginalFrom;
}

}  // namespace

std::optional<Rewriting> rewriting_of(const config::Settings& settings,
                                      const account::HashKey* secret, std::string& problem) {
  if (settings.rewrite.empty()) return Rewriting();
  std::vector<rewrite::RuleOptions> rules;
  for (const config::Rewrite& from : settings.rewrite) {
    rewrite::RuleOptions rule;
    rule.name = from.name;
    rule.listeners = from.listeners;
    rule.tenants = from.tenants;
    rule.streams = from.streams;
    rule.routes = from.routes;
    rule.sender_map = from.sender_entries;
    rule.recipient_map = from.recipient_entries;
    rule.masquerade = single_texts(from.masquerade);
    rule.masquerade_except = from.masquerade_except;
    rule.aliases = from.alias_entries;
    rule.header_from = from.header_from;
    rule.header_reply_to = from.header_reply_to;
    rule.keep_original = keep_original(from.keep_original);
    if (from.return_path == "verp") {
      rule.return_path = rewrite::ReturnPath::Verp;
    } else if (from.return_path == "srs") {
      rule.return_path = rewrite::ReturnPath::Srs;
    } else if (!from.return_path.empty()) {
      rule.return_path = rewrite::ReturnPath::Fixed;
      rule.return_address = from.return_path;
    }
    rule.bounce_domain = from.bounce_domain;
    rule.remove_headers = from.remove_headers;
    rule.add_headers = single_texts(from.add_headers);
    rule.replace_headers = single_texts(from.replace_headers);
    rule.feedback_id = from.feedback_id;
    rule.list_unsubscribe = from.list_unsubscribe;
    rules.push_back(std::move(rule));
  }
  base::Duration longest = settings.retry.expire_after;
  for (const config::Route& route : settings.route)
    longest = std::max(longest, route.retry.expire_after);
  Rewriting made = rewrite::RuleSet::make(std::move(rules), secret, settings.node.hostname,
                                          longest + kReturnPathValidBeyond, problem);
  if (made == nullptr) return std::nullopt;
  return made;
}

spool::JournalOptions journal_options(const config::Settings& settings) {
  spool::JournalOptions options;
  options.commit_interval = settings.spool.commit_interval;
  options.disk_reserve = settings.spool.disk_reserve;
  options.events_backlog_max = settings.events.backlog_max;
  return options;
}

std::shared_ptr<const delivery::RouteSet> route_set(
    const config::Settings& settings, std::string& problem,
    std::shared_ptr<const shaping::Providers> providers) {
  const auto common = [&](delivery::RouteOptions& options) {
    options.may_use_private = settings.delivery.private_next_hops == config::Switch::Allow;
    options.recipients_per_transaction_max = settings.delivery.recipients_per_transaction;
    options.messages_per_connection_max = settings.delivery.messages_per_connection;
  };
  std::vector<delivery::RouteOptions> routes;
  std::vector<queue::RetryPolicy> retry;
  for (const config::Route& route : settings.route) {
    delivery::RouteOptions options;
    options.domains = route.domains;
    options.next_hop = next_hop_texts(route.next_hop, settings.delivery.port);
    options.username = route.username;
    options.password = route.password;
    options.tls = tls_policy(route.tls);
    options.prefers_bdat = route.bdat;
    options.provider = route.provider;
    common(options);
    routes.push_back(std::move(options));
    retry.push_back(retry_policy(route.retry));
  }
  delivery::RouteOptions fallback;
  fallback.domains = {"*"};
  fallback.next_hop = {"mx"};
  common(fallback);
  retry.push_back(retry_policy(settings.retry));
  std::optional<delivery::RouteTable> table =
      delivery::RouteTable::make(std::move(routes), std::move(fallback), problem);
  if (!table) return nullptr;
  const Result<std::string> own = smtp::canonical_domain(settings.node.hostname);
  delivery::RouteSet made{std::move(*table),
                          std::move(retry),
                          {own ? *own : settings.node.hostname, settings.delivery.port,
                           settings.delivery.dane == config::Dane::Auto},
                          settings.node.hostname};
  if (settings.shaping.limits) made.providers = std::move(providers);
  return std::make_shared<const delivery::RouteSet>(std::move(made));
}

std::shared_ptr<const delivery::Hop> hop_of(const config::Source& source) {
  if (!source.socks5 && !source.haproxy) return nullptr;
  auto hop = std::make_shared<delivery::Hop>();
  hop->kind = source.socks5 ? delivery::Hop::Kind::Socks5 : delivery::Hop::Kind::HaProxy;
  hop->at = source.socks5 ? *source.socks5 : *source.haproxy;
  if (!source.username.empty()) hop->login = {source.username, source.password};
  return hop;
}

std::shared_ptr<const delivery::SourceSet> source_set(const config::Settings& settings) {
  if (settings.source.empty()) return nullptr;
  std::vector<delivery::SourceOptions> sources;
  for (const config::Source& from : settings.source) {
    delivery::SourceOptions source{from.name, from.hostname, from.ipv4,       from.ipv6,
                                   {},        from.warm_up,  from.public_ipv6};
    source.needs_ptr = from.ipv6_ptr == config::PtrNeed::Require;
    source.hop = hop_of(from);
    source.families.clear();
    for (const config::IpFamily family : from.families)
      source.families.push_back(family == config::IpFamily::Ipv4 ? shaping::Family::Ipv4
                                                                 : shaping::Family::Ipv6);
    sources.push_back(std::move(source));
  }
  std::vector<delivery::PoolOptions> pools;
  for (const config::Pool& from : settings.pool) {
    delivery::PoolOptions pool{from.name, {}, from.tenants, from.streams, from.routes};
    for (const auto& [name, weight] : from.sources) pool.members.push_back({name, weight});
    pool.by_name = static_cast<delivery::ByName>(from.by_name);
    pools.push_back(std::move(pool));
  }
  return std::make_shared<const delivery::SourceSet>(std::move(sources), std::move(pools));
}

std::uint16_t node_id(const config::Settings& settings) {
  return static_cast<std::uint16_t>(settings.node.id);
}

delivery::SettlementOptions settlement_options(const config::Settings& settings) {
  delivery::SettlementOptions options;
  options.hostname = settings.node.hostname;
  options.node = node_id(settings);
  options.sends_failure_dsn = settings.dsn.failure == config::DsnFailure::Send;
  return options;
}

delivery::DispatcherOptions dispatcher_options(
    const config::Settings& settings, const Rewriting& rewriting,
    std::shared_ptr<const shaping::Providers> providers) {
  delivery::DispatcherOptions options;
  options.connections_max = settings.delivery.connections;
  options.connections_per_site_max = settings.delivery.connections_per_site;
  options.rewriting = rewriting;
  options.sources = source_set(settings);
  options.providers = std::move(providers);
  return options;
}

delivery::ConnectionOptions connection_options(const config::Settings& settings,
                                               const Rewriting& rewriting) {
  delivery::ConnectionOptions options;
  options.connect_map = settings.delivery.connect_map;
  options.connect_timeout = settings.delivery.connect_timeout;
  options.time_outs = {settings.delivery.command_timeout, settings.delivery.data_timeout,
                       settings.delivery.final_dot_timeout};
  for (const config::Listener& listener : settings.listener)
    options.own_endpoints.push_back(listener.address);
  options.uses_dane = settings.delivery.dane == config::Dane::Auto;
  options.rewriting = rewriting;
  options.transcripts = static_cast<delivery::Transcripts>(settings.events.transcripts);
  return options;
}

auth::AlignmentOptions alignment_options(const config::Settings& settings) {
  auth::AlignmentOptions options;
  options.place.hostname = settings.node.hostname;
  const Result<std::string> hostname = smtp::canonical_domain(settings.node.hostname);
  if (hostname) options.place.hostname = *hostname;
  const auto add = [&options](const std::optional<net::Address>& seen,
                              const std::optional<net::Address>& local) {
    const std::optional<net::Address>& address = seen ? seen : local;
    auto& all = options.place.addresses;
    if (address && std::find(all.begin(), all.end(), *address) == all.end())
      all.push_back(*address);
  };
  for (const config::Source& source : settings.source) {
    add(source.public_ipv4, source.ipv4);
    add(source.public_ipv6, source.ipv6);
  }
  const auto mode_of = [](config::AlignmentMode mode) {
    switch (mode) {
      case config::AlignmentMode::Off:
        return auth::AlignmentMode::Off;
      case config::AlignmentMode::Warn:
        return auth::AlignmentMode::Warn;
      case config::AlignmentMode::Hold:
        return auth::AlignmentMode::Hold;
      case config::AlignmentMode::Refuse:
        return auth::AlignmentMode::Refuse;
    }
    return auth::AlignmentMode::Warn;
  };
  for (const config::Alignment& alignment : settings.alignment) {
    if (alignment.tenant == "*") {
      options.mode = mode_of(alignment.mode);
    } else {
      options.modes.emplace_back(alignment.tenant, mode_of(alignment.mode));
    }
  }
  return options;
}

delivery::SigningOptions signing_options(const config::Settings& settings) {
  delivery::SigningOptions options;
  options.relay_domain = settings.signing.relay_domain;
  options.oversigned = settings.signing.oversign;
  options.seals = settings.signing.arc;
  options.hostname = settings.node.hostname;
  return options;
}

policy::MtaStsOptions mta_sts_options(const config::Settings& settings) {
  policy::MtaStsOptions options;
  options.is_on = settings.delivery.mta_sts == config::MtaSts::On;
  options.port = settings.delivery.mta_sts_port;
  options.connect_map = settings.delivery.connect_map;
  options.may_use_private = settings.delivery.private_next_hops == config::Switch::Allow;
  return options;
}

std::vector<std::shared_ptr<const inbound::ListenerOptions>> listener_options(
    const config::Settings& settings, const Rewriting& rewriting) {
  std::vector<std::shared_ptr<const inbound::ListenerOptions>> all;
  for (const config::Listener& listener : settings.listener) {
    auto options = std::make_shared<inbound::ListenerOptions>();
    options->name = net::format_endpoint(listener.address);
    options->hostname = settings.node.hostname;
    options->service = service(listener.service);
    options->tls = listener_tls(listener.tls);
    options->trusted_networks = listener.trusted_networks;
    options->proxy_networks = listener.proxy_networks;
    options->bare_newlines = listener.bare_newlines == config::BareNewlines::Fix
                                 ? smtp::BareNewlines::Fix
                                 : smtp::BareNewlines::Refuse;
    options->long_lines = listener.long_lines == config::LongLines::Refuse
                              ? inbound::LongLines::Refuse
                              : inbound::LongLines::Encode;
    options->syntax = listener.strict_syntax ? smtp::Syntax::Strict : smtp::Syntax::Lenient;
    options->greeting_delay = listener.greeting_delay;
    options->time_outs.command = settings.limits.command_timeout;
    options->time_outs.data_block = settings.limits.data_timeout;
    options->tenant = listener.tenant;
    options->stream = listener.stream;
    options->hides_submitter = listener.hide_submitter;
    options->authenticates = listener.authentication_results;
    options->dmarc = listener.dmarc == config::Dmarc::Rfc7489 ? auth::DmarcMode::Rfc7489
                                                              : auth::DmarcMode::Rfc9989;
    options->rewriting = rewriting;
    if (listener.service == config::Service::Inbound) options->domains = inbound_domains(settings);
    options->limits = client_limits(settings);
    all.push_back(std::move(options));
  }
  return all;
}

std::shared_ptr<const inbound::ListenerOptions> http_submission_options(
    const config::Settings& settings, const Rewriting& rewriting) {
  auto options = std::make_shared<inbound::ListenerOptions>();
  options->name = "http";
  options->hostname = settings.node.hostname;
  for (const config::Pool& pool : settings.pool)
    if (pool.by_name != config::ByName::No)
      options->pools.push_back({pool.name, pool.tenants, pool.streams});
  options->service = inbound::Service::Submission;
  options->rewriting = rewriting;
  options->limits = client_limits(settings);
  return options;
}

}  // namespace ekiden::apps
