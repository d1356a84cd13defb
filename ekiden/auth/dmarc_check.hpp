#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/auth/organizational_domain.hpp"
#include "ekiden/auth/public_suffix.hpp"
#include "ekiden/auth/verdict.hpp"

namespace ekiden::auth {

/// Which specification is followed.
enum class DmarcMode {
  Rfc7489,  ///< organizational domains by the public suffix list; pct
  Rfc9989,  ///< by a walk through the DNS; np, psd, t
};

/// DKIM signatures looked at; further ones are as if they were not there.
inline constexpr std::size_t kDmarcSignaturesMax = 20;
/// DNS questions of one evaluation: a walk of eight for each domain that may align.
inline constexpr unsigned kDmarcQuestionsMax = 200;
inline constexpr base::Duration kDmarcTimeMax = std::chrono::seconds(20);
/// Author domains of one message that are looked at (RFC 7489 §6.6.1).
inline constexpr std::size_t kDmarcAuthorsMax = 10;

/// What another method came to, and for which domain.
struct DmarcIdentifier {
  Verdict verdict = Verdict::None;
  std::string domain;
};

struct DmarcQuery {
  /// Of the header From; A-labels or U-labels.
  std::string author_domain;
  std::optional<DmarcIdentifier> spf;
  std::vector<DmarcIdentifier> dkim;
  DmarcMode mode = DmarcMode::Rfc9989;
  /// Needed with Rfc7489 only; it outlives the evaluation.
  const PublicSuffixList* suffixes = nullptr;
  /// RFC 7489 §6.6.4: 0 to 99, at random; the message counts when it is below pct.
  unsigned sample = 0;
};

struct DmarcResult {
  /// None: no policy; Pass; Fail; or an error.
  Verdict verdict = Verdict::None;
  /// What the domain asks for when its mail fails; nothing without a record.
  std::optional<DmarcPolicy> policy;
  /// What is asked for this message: None unless it failed, one step less when the record is a
  /// test (t=y), or the message is not in the sample (pct).
  DmarcPolicy applied = DmarcPolicy::None;
  std::string author_domain;  ///< as A-labels
  std::string record_domain;  ///< where the record was found; empty without one
  std::string organizational_domain;
  bool is_spf_aligned = false;   ///< SPF passed for a domain that aligns
  bool is_dkim_aligned = false;  ///< a signature passed whose domain aligns
  std::string problem;           ///< with errors, and with None where something is wrong
};

/// RFC 7489 §6.6, RFC 9989 §5.3.
///
/// Bounded by the limits above, and never fails but with a verdict.
base::Task<DmarcResult> check_dmarc(dns::Resolver& resolver, base::Clock& clock, DmarcQuery query);

/// The domains in the header From of a message, canonical, without doubles.
struct DmarcAuthors {
  std::vector<std::string> domains;  ///< at most kDmarcAuthorsMax
  std::size_t fields = 0;            ///< From fields
  std::size_t addresses = 0;         ///< in all of them
  /// One field, one address, one domain: what DMARC is made for.
  bool is_plain() const { return fields == 1 && addresses == 1 && domains.size() == 1; }
};
/// `message`: octets from the first header field on. Reads as far as the header can be read.
DmarcAuthors find_authors(std::string_view message);

/// One result for a message whose From names several addresses, or that has several From fields,
/// from those for each domain: the strictest failure, and otherwise never a pass.
///
/// RFC 7489 §6.6.1: "apply the most strict policy selected among the checks that fail."
DmarcResult combine_authors(const DmarcAuthors& authors, std::vector<DmarcResult> results);

}  // namespace ekiden::auth
