#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/auth/spf_macro.hpp"
#include "ekiden/auth/verdict.hpp"

namespace ekiden::auth {

/// RFC 7208 §5.
enum class SpfKind { All, Include, A, Mx, Ptr, Ip4, Ip6, Exists };

/// One directive of a record.
struct SpfMechanism {
  Verdict qualifier = Verdict::Pass;  ///< the result when it matches
  SpfKind kind = SpfKind::All;
  bool has_domain = false;  ///< else the current domain is meant
  SpfMacroString domain;
  net::Address network;                  ///< of Ip4 and Ip6
  unsigned prefix4 = 32, prefix6 = 128;  ///< of Ip4, Ip6, A and Mx
  std::string text;                      ///< as published
};

/// A record read whole.
struct SpfRecord {
  std::vector<SpfMechanism> mechanisms;
  std::optional<SpfMacroString> redirect, explanation;
};

/// RFC 7208 §4.5: it begins with "v=spf1", and nothing or a space follows.
bool is_spf_record(std::string_view text);

/// Reads a record for which is_spf_record holds. Unknown modifiers are ignored.
///
/// Errors: BadRecord for any mistake anywhere (RFC 7208 §4.6); `problem` names the term.
Result<SpfRecord> parse_spf_record(std::string_view text, std::string& problem);

/// Whether the first `prefix` bits of two addresses of one family are equal.
bool is_in_network(const net::Address& address, const net::Address& network, unsigned prefix);

}  // namespace ekiden::auth
