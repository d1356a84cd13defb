#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace ekiden::auth {

/// What checking one method came to. No method uses all of them (RFC 8601 §2.7).
enum class Verdict : std::uint8_t {
  None,            ///< nothing to check: no record, no signature
  Pass,            ///< authenticated
  Fail,            ///< checked, and it is not
  SoftFail,        ///< SPF: probably not
  Neutral,         ///< SPF: the domain says nothing; DKIM: a signature that cannot be read
  Policy,          ///< it verifies, but local policy does not take it
  TemporaryError,  ///< try later
  PermanentError,  ///< what was published is wrong; trying later does not help
};

/// RFC 8601 §2.7: "none", "pass", "fail", "softfail", "neutral", "policy", "temperror",
/// "permerror".
std::string_view verdict_name(Verdict verdict);

/// The reverse, in any case. Nothing when it is none of them.
std::optional<Verdict> parse_verdict(std::string_view text);

}  // namespace ekiden::auth
