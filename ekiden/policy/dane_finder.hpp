#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "ekiden/base/task.hpp"
#include "ekiden/dns/resolver.hpp"
#include "ekiden/tls/dane.hpp"

namespace ekiden::policy {

/// A host that a DNSSEC-validated MX (or the domain itself, for want of one) names.
struct DaneQuestion {
  std::string host;  ///< canonical, no trailing dot
  std::uint16_t port = 25;
  std::string domain;  ///< the next-hop domain, a further name under usage 2; may be empty
};

/// What the DNS says of a host's TLS.
struct DaneFound {
  enum class Kind : std::uint8_t {
    None,      ///< no TLSA records, or none that DNSSEC vouches for: DANE says nothing
    Usable,    ///< they decide
    Unusable,  ///< RFC 7672 §2.2: there are records, none usable: TLS is required, unauthenticated
    Failed,    ///< bogus or no answer: the host is not used now (RFC 7672 §2.1.1)
  };
  Kind kind = Kind::None;
  std::shared_ptr<const tls::Dane> dane;  ///< Usable
  std::string reason;                     ///< Failed: in words
};

/// Looks for TLSA records by the rules of RFC 7672 §2.2: only where the host's address is secure,
/// first at the end of its CNAMEs, then at its own name.
///
/// The caller has found the MX answer secure. At most six questions.
base::Task<DaneFound> find_dane(dns::Resolver& resolver, DaneQuestion question);

}  // namespace ekiden::policy
