#pragma once

#include <string>
#include <string_view>

#include "ekiden/auth/arc_validator.hpp"
#include "ekiden/auth/dkim_verifier.hpp"
#include "ekiden/auth/dmarc_check.hpp"
#include "ekiden/base/task.hpp"
#include "ekiden/base/worker.hpp"
#include "ekiden/dns/resolver.hpp"
#include "ekiden/net/endpoint.hpp"

namespace ekiden::inbound {

/// RFC 7208 §4.6.4 asks for 20 s at least. What is not known then is a temperror.
inline constexpr base::Duration kAuthenticationTimeMax = std::chrono::seconds(20);

/// Who hands the message over, and to whom.
struct Handover {
  net::Address client;
  std::string helo;
  std::string reverse_path;  ///< as given, without brackets; empty: null
  std::string authserv_id;   ///< our name (RFC 8601 §2.5)
  auth::DmarcMode dmarc = auth::DmarcMode::Rfc9989;
  const auth::PublicSuffixList* suffixes = nullptr;  ///< as auth::DmarcQuery has it
};

/// Evaluates SPF, DKIM, ARC and DMARC of one message that a stranger brings, and words what came of
/// it (RFC 8601). It never decides: trouble with the DNS is a temperror in the field.
///
///     Authentication authentication(worker, resolver, handover, now);
///     authentication.begin(header);
///     while (…) co_await authentication.update(body);
///     field = co_await authentication.finish();
///
/// Waits for the DNS, kAuthenticationTimeMax for all of it together.
///
/// Sharing: one session owns one.
class Authentication {
 public:
  Authentication(base::Worker& worker, dns::Resolver& resolver, Handover handover, base::Time now);

  void begin(std::string_view header);
  /// Hashes, in slices between which other sessions get their turn. `body` lives until then.
  base::Task<void> update(std::string_view body);
  /// The Authentication-Results field, with its CRLF.
  base::Task<std::string> finish();

 private:
  base::Worker& worker_;
  dns::Resolver& resolver_;
  const Handover handover_;
  const base::Time now_;
  auth::DkimVerifier dkim_;
  auth::ArcValidator arc_;
  auth::DmarcAuthors authors_;
};

}  // namespace ekiden::inbound
