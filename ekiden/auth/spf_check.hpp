#pragma once

#include <string>

#include "ekiden/auth/spf_record.hpp"
#include "ekiden/auth/verdict.hpp"
#include "ekiden/base/clock.hpp"
#include "ekiden/base/task.hpp"
#include "ekiden/dns/resolver.hpp"
#include "ekiden/net/endpoint.hpp"

namespace ekiden::auth {

/// RFC 7208 §4.6.4: terms of one evaluation that ask the DNS.
inline constexpr unsigned kSpfLookupsMax = 10;
/// RFC 7208 §4.6.4: of those, terms whose name or records do not exist.
inline constexpr unsigned kSpfVoidLookupsMax = 2;
/// RFC 7208 §4.6.4: MX records of one term, more is a permerror; PTR records looked at.
inline constexpr std::size_t kSpfHostsMax = 10;
/// RFC 7208 §4.6.4: "at least 20 seconds"; then temperror.
inline constexpr base::Duration kSpfTimeMax = std::chrono::seconds(20);
/// What those limits leave possible (10 terms with 10 MX hosts each, 10 names of the client, the
/// explanation), rounded up. Never reached unless another limit fails.
inline constexpr unsigned kSpfQuestionsMax = 150;
/// Longer explanations are cut: they become part of a reply.
inline constexpr std::size_t kSpfExplanationOctetsMax = 1000;
/// Of a sender or HELO name. Longer ones name no mailbox and no host.
inline constexpr std::size_t kSpfIdentityOctetsMax = 512;

/// Who asks to be believed.
struct SpfQuery {
  net::Address ip;       ///< an IPv4-mapped one counts as IPv4 (RFC 7208 §5)
  std::string sender;    ///< the reverse-path without brackets; empty: null, and `helo` is checked
  std::string helo;      ///< as given
  std::string receiver;  ///< our name, for explanations
  base::Time now{};      ///< for explanations
  std::string default_explanation;
};

struct SpfResult {
  Verdict verdict = Verdict::None;
  std::string explanation;  ///< with Fail only
  std::string domain;       ///< that was checked, as A-labels; empty when there is none
  bool is_helo = false;     ///< the reverse-path was null
  unsigned lookups = 0;
  unsigned void_lookups = 0;
  std::string mechanism;  ///< that decided, as published; "default" when none matched
  std::string problem;    ///< with the two errors: why, in words
};

/// RFC 7208 §4: may a host with this address send for this sender?
///
/// Bounded by the limits above whatever is published, and never fails but with a verdict.
base::Task<SpfResult> check_spf(dns::Resolver& resolver, base::Clock& clock, SpfQuery query);

}  // namespace ekiden::auth
