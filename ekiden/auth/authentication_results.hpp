#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/auth/verdict.hpp"

namespace ekiden::auth {

/// Of one value or reason; what is longer is cut.
inline constexpr std::size_t kResultValueOctetsMax = 512;
/// Results of one field; further ones are left out.
inline constexpr std::size_t kResultsMax = 50;

/// What a result is about: "smtp.mailfrom=a@example.org" is {"smtp", "mailfrom", "a@example.org"}.
struct ResultProperty {
  std::string type;  ///< "smtp", "header", "body", "policy"
  std::string name;
  std::string value;
};

/// What checking a message by one method came to (RFC 8601 §2.2).
struct MethodResult {
  std::string method;  ///< "spf", "dkim", "dmarc", "arc", "iprev"
  Verdict verdict = Verdict::None;
  std::string reason;  ///< empty: left out
  std::vector<ResultProperty> properties;
};

/// The results after the authserv-id as they stand in Authentication-Results: "spf=pass
/// smtp.mailfrom=a@example.org; dkim=none", or "none". Whatever a peer made us put into a value,
/// it stays one value: what is no plain token is quoted, and controls never come out.
std::string format_results(const std::vector<MethodResult>& results);

/// A whole Authentication-Results field, folded, CRLF at its end (RFC 8601 §2.2).
std::string format_authentication_results(std::string_view authserv_id,
                                          const std::vector<MethodResult>& results);

/// Who wrote a field: its authserv-id, in lower case. Nothing when it has none that could be read.
std::optional<std::string> parse_authserv_id(std::string_view value);

/// Whether a field's value says that `authserv_id` wrote it. A field that cannot be read and has
/// the id somewhere in it counts: another reader may be less strict.
bool claims_authserv_id(std::string_view value, std::string_view authserv_id);

/// RFC 8601 §5: the header without the Authentication-Results that claim to be ours. Everything
/// else stays octet by octet, the blank line too. Errors of the scanner leave the rest as it is.
std::string remove_forged_results(std::string_view header, std::string_view authserv_id);

/// The results of all Authentication-Results in the header that are ours, joined as one list:
/// what an ARC-Authentication-Results repeats (RFC 8617 §5.1). "none" when there are none.
std::string collect_results(std::string_view header, std::string_view authserv_id);

/// What a list of results says of a method: of "spf=pass; arc=fail" and "arc" it is Fail. The first
/// one counts; quoted strings and comments say nothing.
std::optional<Verdict> find_result(std::string_view results, std::string_view method);

}  // namespace ekiden::auth
