#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/auth/error.hpp"

namespace ekiden::auth {

/// Of one record; one with more is malformed. There are a dozen that mean something.
inline constexpr std::size_t kDmarcTagsMax = 100;

/// What the domain's owner asks for when a message fails. In the order of strictness.
enum class DmarcPolicy : std::uint8_t { None, Quarantine, Reject };

/// "none", "quarantine", "reject".
std::string_view policy_name(DmarcPolicy policy);

/// RFC 9989 §4.7: is the domain a public suffix?
enum class DmarcPsd : std::uint8_t { Unknown, Yes, No };

/// A record with everything that has no valid value at its default.
struct DmarcRecord {
  std::optional<DmarcPolicy> policy;              ///< p
  std::optional<DmarcPolicy> subdomain_policy;    ///< sp
  std::optional<DmarcPolicy> nonexistent_policy;  ///< np
  bool has_bad_subdomain_policy = false;          ///< sp is there, with another value
  bool has_bad_nonexistent_policy = false;        ///< np is there, with another value
  bool is_spf_strict = false;                     ///< aspf=s
  bool is_dkim_strict = false;                    ///< adkim=s
  bool is_test = false;                           ///< t=y
  unsigned percent = 100;                         ///< pct
  DmarcPsd psd = DmarcPsd::Unknown;
  std::vector<std::string> aggregate_reports;  ///< rua: what looks like a URI, "!size" cut off
};

/// Whether its first tag is v=DMARC1, in this case (RFC 7489 §6.4, RFC 9989 §4.8).
bool is_dmarc_record(std::string_view text);

/// Reads a record for which is_dmarc_record holds. Unknown tags, and tags whose value makes no
/// sense, are left out.
///
/// Errors: BadRecord when a tag stands twice (RFC 6376 §3.2), or over kDmarcTagsMax.
Result<DmarcRecord> parse_dmarc_record(std::string_view text);

}  // namespace ekiden::auth
