#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/auth/error.hpp"
#include "ekiden/base/time.hpp"
#include "ekiden/net/endpoint.hpp"

namespace ekiden::auth {

/// One piece of a macro-string (RFC 7208 §7.1).
struct SpfMacro {
  char letter = 0;           ///< lower case; 0: `text` stands for itself
  bool is_escaped = false;   ///< written in upper case: URL-escape what it becomes
  bool is_reversed = false;  ///< "r"
  unsigned parts = 0;        ///< keep so many of the right; 0: all
  std::string text;          ///< the literal, or the delimiters to split at
};
using SpfMacroString = std::vector<SpfMacro>;

enum class SpfMacroUse {
  Domain,       ///< in a record: no c, r, t
  Explanation,  ///< the text that exp= points at: spaces are allowed, and all letters
};

/// Errors: BadRecord when it is no macro-string, or holds an octet that is not visible ASCII.
Result<SpfMacroString> parse_spf_macros(std::string_view text, SpfMacroUse use);

/// A domain-spec: a macro-string that ends in a macro or in a dot and a top label.
Result<SpfMacroString> parse_spf_domain(std::string_view text);

/// What the letters stand for (RFC 7208 §7.2).
struct SpfMacroValues {
  std::string sender;         ///< s: local@domain
  std::string local;          ///< l
  std::string sender_domain;  ///< o
  std::string domain;         ///< d: whose record is evaluated
  net::Address ip;            ///< i, c, v
  std::string validated;      ///< p
  std::string helo;           ///< h
  std::string receiver;       ///< r
  base::Time now{};           ///< t
};

/// Whether `letter` occurs: p costs questions, so it is asked for only then.
bool uses_macro(const SpfMacroString& text, char letter);

std::string expand_spf_macros(const SpfMacroString& text, const SpfMacroValues& values);

/// The same for a name to be asked: without the dot at its end, and without the leftmost labels
/// while it is longer than 253 octets (RFC 7208 §7.3).
std::string expand_spf_domain(const SpfMacroString& text, const SpfMacroValues& values);

/// "192.0.2.1", or 32 nibbles with dots between, as i expands.
std::string spf_dotted_address(const net::Address& address);
/// "1.2.0.192.in-addr.arpa", "….ip6.arpa".
std::string reverse_name_of(const net::Address& address);

}  // namespace ekiden::auth
