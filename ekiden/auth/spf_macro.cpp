#include "ekiden/auth/spf_macro.hpp"

#include <algorithm>

#include "ekiden/base/percent.hpp"
#include "ekiden/base/text.hpp"

namespace ekiden::auth {
namespace {

constexpr std::string_view kLetters = "slodiphv";
constexpr std::string_view kExplanationLetters = "crt";
constexpr std::string_view kDelimiters = ".-+,/_=";
/// RFC 7208 §7.3.
constexpr std::size_t kNameTextOctetsMax = 253;
/// "%{d999999}": more parts than any value has.
constexpr unsigned kPartsMax = 1000;

bool is_alphanumeric(char c) {
  return base::is_alpha(c) || base::is_digit(c);
}

/// After "%{": reads up to "}" and moves `text` behind it.
Result<SpfMacro> take_macro(std::string_view& text, SpfMacroUse use) {
  const std::size_t end = text.find('}');
  if (end == std::string_view::npos || end == 0) return Errc::BadRecord;
  std::string_view body = text.substr(0, end);
  text.remove_prefix(end + 1);
  SpfMacro macro;
  macro.letter = base::to_lower(body.front());
  macro.is_escaped = macro.letter != body.front();
  const bool is_known =
      kLetters.find(macro.letter) != std::string_view::npos ||
      (use == SpfMacroUse::Explanation && kExplanationLetters.find(macro.letter) != body.npos);
  if (!is_known) return Errc::BadRecord;
  body.remove_prefix(1);
  bool has_digits = false;
  for (; !body.empty() && base::is_digit(body.front()); body.remove_prefix(1)) {
    has_digits = true;
    macro.parts = std::min(kPartsMax, macro.parts * 10 + static_cast<unsigned>(body[0] - '0'));
  }
  // RFC 7208 §7.3: "If a DIGIT is specified, it MUST be nonzero."
  if (has_digits && macro.parts == 0) return Errc::BadRecord;
  if (!body.empty() && base::to_lower(body.front()) == 'r') {
    macro.is_reversed = true;
    body.remove_prefix(1);
  }
  if (body.find_first_not_of(kDelimiters) != std::string_view::npos) return Errc::BadRecord;
  macro.text = body.empty() ? "." : body;
  return macro;
}

/// RFC 7208 §7.1, toplabel: letters, digits and inner hyphens, and not digits only.
bool is_top_label(std::string_view label) {
  if (label.empty() || label.front() == '-' || label.back() == '-') return false;
  bool is_number = true;
  for (const char c : label) {
    if (!is_alphanumeric(c) && c != '-') return false;
    is_number &= base::is_digit(c);
  }
  return !is_number;
}

std::string transformed(const SpfMacro& macro, std::string_view value) {
  std::vector<std::string_view> parts;
  for (std::size_t start = 0; start <= value.size();) {
    const std::size_t end = std::min(value.find_first_of(macro.text, start), value.size());
    parts.push_back(value.substr(start, end - start));
    start = end + 1;
  }
  if (macro.is_reversed) std::reverse(parts.begin(), parts.end());
  std::size_t first = 0;
  if (macro.parts != 0 && macro.parts < parts.size()) first = parts.size() - macro.parts;
  std::string joined;
  for (std::size_t i = first; i < parts.size(); ++i) {
    if (i > first) joined += '.';
    joined += parts[i];
  }
  return joined;
}

std::string value_of(const SpfMacro& macro, const SpfMacroValues& values) {
  switch (macro.letter) {
    case 's':
      return values.sender;
    case 'l':
      return values.local;
    case 'o':
      return values.sender_domain;
    case 'd':
      return values.domain;
    case 'i':
      return spf_dotted_address(values.ip);
    case 'c':
      return values.ip.to_string();
    case 'p':
      return values.validated.empty() ? "unknown" : values.validated;
    case 'v':
      return values.ip.is_v4() ? "in-addr" : "ip6";
    case 'h':
      return values.helo;
    case 'r':
      return values.receiver.empty() ? "unknown" : values.receiver;
    case 't':
      return std::to_string(base::to_unix_us(values.now) / 1'000'000);
  }
  return {};
}

/// RFC 7208 §7.4 shows the nibbles of IPv6, most significant first.
std::string nibbles_of(const net::Address& address, bool is_reversed) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string digits;
  for (const unsigned char octet : address.to_v6().to_bytes()) {
    digits += kHex[octet >> 4];
    digits += kHex[octet & 15];
  }
  if (is_reversed) std::reverse(digits.begin(), digits.end());
  std::string text;
  for (const char digit : digits) {
    if (!text.empty()) text += '.';
    text += digit;
  }
  return text;
}

/// `ends_in_macro`: the last thing in it is a macro-expand, "%%", "%_" and "%-" included.
Result<SpfMacroString> parse(std::string_view text, SpfMacroUse use, bool& ends_in_macro) {
  SpfMacroString pieces;
  const auto literal = [&pieces](std::string_view octets) {
    if (pieces.empty() || pieces.back().letter != 0) pieces.emplace_back();
    pieces.back().text += octets;
  };
  while (!text.empty()) {
    const char c = text.front();
    text.remove_prefix(1);
    ends_in_macro = c == '%';
    if (c != '%') {
      const bool is_space = c == ' ' && use == SpfMacroUse::Explanation;
      if ((c <= ' ' || c >= '\x7f') && !is_space) return Errc::BadRecord;
      literal({&c, 1});
      continue;
    }
    if (text.empty()) return Errc::BadRecord;
    const char kind = text.front();
    text.remove_prefix(1);
    if (kind == '%') {
      literal("%");
    } else if (kind == '_') {
      literal(" ");
    } else if (kind == '-') {
      literal("%20");
    } else if (kind == '{') {
      Result<SpfMacro> macro = take_macro(text, use);
      if (!macro) return macro.error();
      pieces.push_back(std::move(*macro));
    } else {
      return Errc::BadRecord;
    }
  }
  return pieces;
}

}  // namespace

Result<SpfMacroString> parse_spf_macros(std::string_view text, SpfMacroUse use) {
  bool ends_in_macro = false;
  return parse(text, use, ends_in_macro);
}

Result<SpfMacroString> parse_spf_domain(std::string_view text) {
  // RFC 7208 §7.1: domain-end is a macro-expand, or a dot and a top label.
  bool ends_in_macro = false;
  Result<SpfMacroString> pieces = parse(text, SpfMacroUse::Domain, ends_in_macro);
  if (!pieces || ends_in_macro) return pieces;
  if (text.ends_with('.')) text.remove_suffix(1);
  const std::size_t dot = text.rfind('.');
  if (dot == std::string_view::npos || !is_top_label(text.substr(dot + 1))) return Errc::BadRecord;
  return pieces;
}

bool uses_macro(const SpfMacroString& text, char letter) {
  return std::any_of(text.begin(), text.end(),
                     [letter](const SpfMacro& piece) { return piece.letter == letter; });
}

std::string expand_spf_macros(const SpfMacroString& text, const SpfMacroValues& values) {
  std::string expanded;
  for (const SpfMacro& piece : text) {
    if (piece.letter == 0) {
      expanded += piece.text;
      continue;
    }
    const std::string value = transformed(piece, value_of(piece, values));
    expanded += piece.is_escaped ? base::percent_encoded(value) : value;
  }
  return expanded;
}

std::string expand_spf_domain(const SpfMacroString& text, const SpfMacroValues& values) {
  std::string name = expand_spf_macros(text, values);
  if (name.ends_with('.')) name.pop_back();
  if (name.size() > kNameTextOctetsMax) {
    const std::size_t cut = name.find('.', name.size() - kNameTextOctetsMax - 1);
    // Without a dot there it stays too long: no such name.
    if (cut != std::string::npos) name.erase(0, cut + 1);
  }
  return name;
}

std::string spf_dotted_address(const net::Address& address) {
  return address.is_v4() ? address.to_string() : nibbles_of(address, false);
}

std::string reverse_name_of(const net::Address& address) {
  if (!address.is_v4()) return nibbles_of(address, true) + ".ip6.arpa";
  std::string name;
  const auto octets = address.to_v4().to_bytes();
  for (auto octet = octets.rbegin(); octet != octets.rend(); ++octet) {
    name += std::to_string(*octet) + ".";
  }
  return name + "in-addr.arpa";
}

}  // namespace ekiden::auth
