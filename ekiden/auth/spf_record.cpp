#include "ekiden/auth/spf_record.hpp"

#include <algorithm>

#include "ekiden/base/text.hpp"

namespace ekiden::auth {
namespace {

constexpr std::string_view kVersion = "v=spf1";
/// Of a term that is quoted in a problem.
constexpr std::size_t kQuotedOctetsMax = 100;

/// name = ALPHA *( ALPHA / DIGIT / "-" / "_" / "." )
bool is_modifier_name(std::string_view name) {
  if (name.empty() || !base::is_alpha(name.front())) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return base::is_alpha(c) || base::is_digit(c) || c == '-' || c == '_' || c == '.';
  });
}

/// "0", or up to three digits without a leading zero, not over `max`.
std::optional<unsigned> parse_prefix(std::string_view digits, unsigned max) {
  if (digits.empty() || digits.size() > 3 || (digits.size() > 1 && digits.front() == '0')) {
    return std::nullopt;
  }
  const auto value = base::parse_u64(digits);
  if (!value || *value > max) return std::nullopt;
  return static_cast<unsigned>(*value);
}

/// Digits at the end of `text` with `separator` in front of them, which is removed with them.
/// Nothing when there are none.
std::optional<std::string_view> take_suffix(std::string_view& text, std::string_view separator) {
  std::size_t digits = text.size();
  while (digits > 0 && base::is_digit(text[digits - 1])) --digits;
  if (digits == text.size() || !text.substr(0, digits).ends_with(separator)) return std::nullopt;
  const std::string_view taken = text.substr(digits);
  text = text.substr(0, digits - separator.size());
  return taken;
}

/// RFC 7208 §5.3: dual-cidr-length at the end of `rest`, which is cut off.
bool take_dual_prefix(std::string_view& rest, SpfMechanism& mechanism) {
  if (const auto digits = take_suffix(rest, "//")) {
    const auto prefix = parse_prefix(*digits, 128);
    if (!prefix) return false;
    mechanism.prefix6 = *prefix;
  }
  if (const auto digits = take_suffix(rest, "/")) {
    const auto prefix = parse_prefix(*digits, 32);
    if (!prefix) return false;
    mechanism.prefix4 = *prefix;
  }
  return true;
}

/// ":" domain-spec, and nothing else; `is_required`: it may not be missing.
bool read_domain(std::string_view rest, bool is_required, SpfMechanism& mechanism) {
  if (rest.empty()) return !is_required;
  if (rest.front() != ':') return false;
  Result<SpfMacroString> domain = parse_spf_domain(rest.substr(1));
  if (!domain) return false;
  mechanism.has_domain = true;
  mechanism.domain = std::move(*domain);
  return true;
}

bool read_network(std::string_view rest, SpfMechanism& mechanism) {
  if (!rest.starts_with(':')) return false;
  rest.remove_prefix(1);
  const bool is_v4 = mechanism.kind == SpfKind::Ip4;
  if (const std::size_t slash = rest.find('/'); slash != std::string_view::npos) {
    const auto prefix = parse_prefix(rest.substr(slash + 1), is_v4 ? 32 : 128);
    if (!prefix) return false;
    (is_v4 ? mechanism.prefix4 : mechanism.prefix6) = *prefix;
    rest = rest.substr(0, slash);
  }
  const std::optional<net::Address> address = net::parse_address(rest);
  if (!address || address->is_v4() != is_v4) return false;
  mechanism.network = *address;
  return true;
}

bool read_mechanism(std::string_view term, SpfMechanism& mechanism) {
  mechanism.text = term;
  constexpr std::pair<char, Verdict> kQualifiers[] = {{'+', Verdict::Pass},
                                                      {'-', Verdict::Fail},
                                                      {'~', Verdict::SoftFail},
                                                      {'?', Verdict::Neutral}};
  for (const auto& [sign, verdict] : kQualifiers) {
    if (!term.starts_with(sign)) continue;
    mechanism.qualifier = verdict;
    term.remove_prefix(1);
    break;
  }
  const std::size_t end = std::min(term.find_first_of(":/"), term.size());
  const std::string name = base::lowered(term.substr(0, end));
  std::string_view rest = term.substr(end);
  if (name == "all") return rest.empty();
  if (name == "include" || name == "exists") {
    mechanism.kind = name == "include" ? SpfKind::Include : SpfKind::Exists;
    return read_domain(rest, true, mechanism);
  }
  if (name == "a" || name == "mx") {
    mechanism.kind = name == "a" ? SpfKind::A : SpfKind::Mx;
    return take_dual_prefix(rest, mechanism) && read_domain(rest, false, mechanism);
  }
  if (name == "ptr") {
    mechanism.kind = SpfKind::Ptr;
    return read_domain(rest, false, mechanism);
  }
  if (name == "ip4" || name == "ip6") {
    mechanism.kind = name == "ip4" ? SpfKind::Ip4 : SpfKind::Ip6;
    return read_network(rest, mechanism);
  }
  return false;
}

bool read_modifier(std::string_view name, std::string_view value, SpfRecord& record) {
  // RFC 7208 §6: redirect and exp at most once each; others any number of times.
  std::optional<SpfMacroString>* known = nullptr;
  if (base::equals_ignoring_case(name, "redirect")) known = &record.redirect;
  if (base::equals_ignoring_case(name, "exp")) known = &record.explanation;
  if (known == nullptr) {
    return is_modifier_name(name) && parse_spf_macros(value, SpfMacroUse::Domain).has_value();
  }
  Result<SpfMacroString> domain = parse_spf_domain(value);
  if (*known || !domain) return false;
  *known = std::move(*domain);
  return true;
}

}  // namespace

bool is_spf_record(std::string_view text) {
  if (!base::starts_with_ignoring_case(text, kVersion)) return false;
  return text.size() == kVersion.size() || text[kVersion.size()] == ' ';
}

Result<SpfRecord> parse_spf_record(std::string_view text, std::string& problem) {
  SpfRecord record;
  text.remove_prefix(std::min(kVersion.size(), text.size()));
  while (!text.empty()) {
    // RFC 7208 §4.6.1: terms are separated by spaces, and by nothing else.
    const std::size_t start = text.find_first_not_of(' ');
    if (start == std::string_view::npos) break;
    text.remove_prefix(start);
    const std::string_view term = text.substr(0, text.find(' '));
    text.remove_prefix(term.size());
    // A modifier is known by its "=", before any ":" or "/".
    const std::size_t sign = term.find_first_of("=:/");
    bool is_good = false;
    if (sign != std::string_view::npos && term[sign] == '=') {
      is_good = read_modifier(term.substr(0, sign), term.substr(sign + 1), record);
    } else {
      SpfMechanism mechanism;
      is_good = read_mechanism(term, mechanism);
      if (is_good) record.mechanisms.push_back(std::move(mechanism));
    }
    if (!is_good) {
      problem = "'" + base::printable(term, kQuotedOctetsMax) + "' is no valid term";
      return Errc::BadRecord;
    }
  }
  return record;
}

bool is_in_network(const net::Address& address, const net::Address& network, unsigned prefix) {
  if (address.is_v4() != network.is_v4()) return false;
  const auto equal = [prefix](const auto& a, const auto& b) {
    const unsigned whole = prefix / 8;
    if (!std::equal(a.begin(), a.begin() + whole, b.begin())) return false;
    const unsigned bits = prefix % 8;
    return bits == 0 || (a[whole] ^ b[whole]) >> (8 - bits) == 0;
  };
  if (address.is_v4()) return equal(address.to_v4().to_bytes(), network.to_v4().to_bytes());
  return equal(address.to_v6().to_bytes(), network.to_v6().to_bytes());
}

}  // namespace ekiden::auth
