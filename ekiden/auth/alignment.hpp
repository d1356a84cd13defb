#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/auth/domain_facts.hpp"

namespace ekiden::auth {

/// DKIM-Signature fields of a message that are looked at.
inline constexpr std::size_t kBroughtSignaturesMax = 10;

/// What a message that leaves will show to those who check it.
struct AlignmentQuestion {
  std::string from_domain;    ///< of header From, canonical
  std::string return_domain;  ///< of the reverse-path as it leaves; our EHLO name for the null one
  std::vector<std::string> signing_domains;  ///< d= of the signatures that we add
  std::vector<std::string> brought_domains;  ///< d= of those that it has; taken for good
};

/// Will SPF or DKIM pass for a domain that aligns with the header From?
enum class Alignment {
  Aligned,
  Unaligned,  ///< neither will: DMARC fails
  Pending,    ///< the DNS has not said yet, and what it will say decides
  Unknown,    ///< it depends on our public addresses, which are not configured
};
/// "aligned", "unaligned", "pending", "unknown".
std::string_view alignment_name(Alignment alignment);

struct AlignmentVerdict {
  Alignment alignment = Alignment::Pending;
  std::string because;                ///< Aligned: "DKIM d=example.jp", "SPF of example.jp"
  std::vector<std::string> problems;  ///< sentences: what is wrong and what to publish
};

/// Null: not known yet. Facts with trouble count as not known.
using FindFacts = std::function<const DomainFacts*(std::string_view domain)>;

/// Pure. RFC 9989 §4.4 (relaxed and strict alignment, as the domain's record asks for).
AlignmentVerdict judge_alignment(const AlignmentQuestion& question, const SendingPlace& place,
                                 const FindFacts& find);

/// Every domain whose facts judge_alignment may ask for, once.
std::vector<std::string> domains_of(const AlignmentQuestion& question);

/// docomo and SoftBank (Y!mobile, the old Vodafone names): they check SPF of the header From's own
/// domain, want it to have an A or MX record, and a Message-ID. `domain`: canonical.
bool is_strict_carrier(std::string_view domain);
/// What such a carrier would object to; Aligned when nothing.
AlignmentVerdict judge_for_carrier(const AlignmentQuestion& question, bool has_message_id,
                                   const SendingPlace& place, const FindFacts& find);

/// d= of the DKIM-Signature fields of a header that may align with From; nothing is verified.
std::vector<std::string> find_brought_domains(std::string_view header);

}  // namespace ekiden::auth
