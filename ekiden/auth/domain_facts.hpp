#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ekiden/auth/dmarc_record.hpp"
#include "ekiden/auth/public_suffix.hpp"
#include "ekiden/base/clock.hpp"
#include "ekiden/base/task.hpp"
#include "ekiden/dns/resolver.hpp"
#include "ekiden/net/endpoint.hpp"

namespace ekiden::auth {

/// Public addresses that SPF is evaluated for; further ones are not looked at.
inline constexpr std::size_t kPublicAddressesMax = 64;
/// Of them, how many that SPF leaves out are named.
inline constexpr std::size_t kAddressesNamedMax = 5;
/// For all questions about one domain together.
inline constexpr base::Duration kDomainFactsTimeMax = std::chrono::seconds(20);

/// Whether a domain's SPF record lets all of our public addresses send.
enum class SpfCoverage {
  Unknown,   ///< we do not know our public addresses
  Covers,    ///< pass for each
  Misses,    ///< some other result for one at least
  NoRecord,  ///< nothing is published
  Broken,    ///< permerror
};

/// What the DNS says of a domain that our mail claims to come from.
struct DomainFacts {
  std::string domain;  ///< canonical
  /// Why the rest may be wrong: the DNS did not answer. Empty: it is all known.
  std::string trouble;
  /// RFC 9989 §4.10.2; without any record by the public suffix list, as RFC 7489 has it.
  std::string organizational_domain;
  std::optional<DmarcPolicy> policy;  ///< in force for the domain; nothing without a record
  std::string policy_domain;          ///< where that record lies
  bool is_spf_strict = false;         ///< aspf=s
  bool is_dkim_strict = false;        ///< adkim=s
  SpfCoverage spf = SpfCoverage::Unknown;
  std::string spf_problem;               ///< with Broken
  std::vector<std::string> spf_missing;  ///< with Misses: addresses that do not pass
  bool has_host = false;                 ///< MX (not null), A or AAAA
  bool exists = true;

  friend bool operator==(const DomainFacts&, const DomainFacts&) = default;
};

/// Who we are when we send.
struct SendingPlace {
  std::vector<net::Address> addresses;  ///< public ones; empty: unknown
  std::string hostname;                 ///< given in EHLO
};

/// Asks all of it. Never fails: `trouble` says what could not be found out.
///
/// SPF is evaluated for postmaster@domain; records whose answer depends on the local part are
/// beyond this. `suffixes` may be null and outlives the questions.
base::Task<DomainFacts> find_domain_facts(dns::Resolver& resolver, base::Clock& clock,
                                          std::string domain, SendingPlace place,
                                          const PublicSuffixList* suffixes);

/// "v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 -all": a record for these addresses and no others.
std::string suggest_spf_record(const std::vector<net::Address>& addresses);

}  // namespace ekiden::auth
