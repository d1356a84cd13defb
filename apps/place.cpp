#include "apps/place.hpp"

namespace ekiden::apps {

dns::UnboundResolver::Options resolver_options(const config::Settings& settings) {
  dns::UnboundResolver::Options options;
  switch (settings.dns.mode) {
    case config::DnsMode::System:
      options.mode = dns::Mode::System;
      break;
    case config::DnsMode::Forward:
      options.mode = dns::Mode::Forward;
      break;
    case config::DnsMode::Recursive:
      options.mode = dns::Mode::Recursive;
      break;
  }
  switch (settings.dns.dnssec) {
    case config::Dnssec::Auto:
      options.dnssec = dns::Dnssec::Auto;
      break;
    case config::Dnssec::Require:
      options.dnssec = dns::Dnssec::Require;
      break;
    case config::Dnssec::Off:
      options.dnssec = dns::Dnssec::Off;
      break;
  }
  options.forward = settings.dns.forward;
  for (const auto& [zone, server] : settings.dns.stub) options.stubs.emplace_back(zone, server);
  options.trust_anchors = settings.dns.trust_anchors;
  return options;
}

}  // namespace ekiden::apps
