#include "ekiden/smtp/address.hpp"

#include <arpa/inet.h>
#include <idn2.h>

#include <array>

#include "ekiden/base/text.hpp"
#include "ekiden/smtp/error.hpp"

namespace ekiden::smtp {
namespace {

// RFC 5321 §4.5.3.1.1 (lenient): 64 octets are the promise to others; VERP and SRS senders use
// more, so up to 255 are taken.
constexpr std::size_t kLocalPartOctetsMax = 255;
// RFC 5321 §4.5.3.1.2, RFC 1035 §2.3.4.
constexpr std::size_t kDomainOctetsMax = 255;
constexpr std::size_t kLabelOctetsMax = 63;
// A source route is read and dropped; one that is longer is refused.
constexpr std::size_t kSourceRouteOctetsMax = 1024;

bool is_high(char c) {
  return (static_cast<unsigned char>(c) & 0x80) != 0;
}

constexpr std::array<bool, 256> make_atext() {
  std::array<bool, 256> table{};
  for (int c = '0'; c <= '9'; ++c) table[c] = true;
  for (int c = 'a'; c <= 'z'; ++c) table[c] = true;
  for (int c = 'A'; c <= 'Z'; ++c) table[c] = true;
  for (const char c : std::string_view("!#$%&'*+-/=?^_`{|}~")) table[c] = true;
  // RFC 6531 §3.3: UTF8-non-ascii is atext. Validity is checked on the whole.
  for (int c = 0x80; c <= 0xff; ++c) table[c] = true;
  return table;
}
constexpr std::array<bool, 256> kAtext = make_atext();

bool is_atext(char c) {
  return kAtext[static_cast<unsigned char>(c)];
}

/// Octets of the local part at the front of `text`; zero when there is none.
std::size_t local_part_length(std::string_view text) {
  if (text.empty()) return 0;
  if (text.front() != '"') {
    // RFC 5321 §4.1.2 (lenient): dots may lead, trail and double, as in addresses that Japanese
    // carriers gave out: "a..b@docomo.ne.jp", "abc.@ezweb.ne.jp".
    std::size_t i = 0;
    bool has_atom = false;
    while (i < text.size() && (is_atext(text[i]) || text[i] == '.')) {
      has_atom = has_atom || text[i] != '.';
      ++i;
    }
    return has_atom ? i : 0;
  }
  for (std::size_t i = 1; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c == '"') return i + 1;
    if (c == '\\') {
      ++i;
      if (i >= text.size()) return 0;
      const auto escaped = static_cast<unsigned char>(text[i]);
      if (escaped < 0x20 || escaped == 0x7f) return 0;
    } else if (c < 0x20 || c == 0x7f) {
      return 0;
    }
  }
  return 0;
}

/// "192.0.2.1" or "IPv6:2001:db8::1", in its canonical form; empty when it is neither.
std::string canonical_literal(std::string_view inner) {
  constexpr std::string_view kTag = "IPv6:";
  // inet_pton stops at a NUL and would not see what follows it.
  if (inner.size() > 64 || inner.find('\0') != std::string_view::npos) return {};
  if (base::starts_with_ignoring_case(inner, kTag)) {
    const std::string text(inner.substr(kTag.size()));
    in6_addr address{};
    char out[INET6_ADDRSTRLEN];
    if (inet_pton(AF_INET6, text.c_str(), &address) != 1) return {};
    if (inet_ntop(AF_INET6, &address, out, sizeof out) == nullptr) return {};
    return std::string(kTag) + out;
  }
  const std::string text(inner);
  in_addr address{};
  char out[INET_ADDRSTRLEN];
  if (inet_pton(AF_INET, text.c_str(), &address) != 1) return {};
  if (inet_ntop(AF_INET, &address, out, sizeof out) == nullptr) return {};
  return out;
}

/// Octets of the domain or literal at the front of `text`; zero when there is none.
std::size_t domain_length(std::string_view text) {
  if (text.empty()) return 0;
  if (text.front() == '[') {
    const std::size_t end = text.find(']');
    return end == std::string_view::npos ? 0 : end + 1;
  }
  std::size_t i = 0;
  while (i < text.size() && (base::is_alpha(text[i]) || base::is_digit(text[i]) || text[i] == '-' ||
                             text[i] == '.' || text[i] == '_' || is_high(text[i]))) {
    ++i;
  }
  return i;
}

/// Checks labels of an ASCII domain without trailing dot.
bool has_good_labels(std::string_view domain) {
  std::size_t begin = 0;
  while (true) {
    const std::size_t dot = domain.find('.', begin);
    const std::string_view label =
        domain.substr(begin, dot == std::string_view::npos ? dot : dot - begin);
    if (label.empty() || label.size() > kLabelOctetsMax) return false;
    if (label.front() == '-' || label.back() == '-') return false;
    for (const char c : label) {
      // RFC 5321 §2.3.5 (lenient): an underscore is no host name's, but mail domains with one
      // exist.
      if (!base::is_alpha(c) && !base::is_digit(c) && c != '-' && c != '_') return false;
    }
    if (dot == std::string_view::npos) return true;
    begin = dot + 1;
  }
}

Result<std::string> to_a_labels(std::string_view domain) {
  // The library stops at a NUL and would not see what follows it.
  if (domain.find('\0') != std::string_view::npos) return Errc::BadDomain;
  const std::string input(domain);
  std::uint8_t* output = nullptr;
  const int rc = idn2_lookup_u8(reinterpret_cast<const std::uint8_t*>(input.c_str()), &output,
                                IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
  if (rc != IDN2_OK) return Errc::BadDomain;
  std::string ascii(reinterpret_cast<const char*>(output));
  idn2_free(output);
  return ascii;
}

bool has_high(std::string_view text) {
  for (const char c : text) {
    if (is_high(c)) return true;
  }
  return false;
}

/// Skips "@a,@b:" (RFC 5321 §4.1.2, A-d-l).
Result<std::size_t> source_route_length(std::string_view text) {
  std::size_t i = 0;
  while (true) {
    if (i >= text.size() || text[i] != '@') return Errc::BadSyntax;
    const std::size_t length = domain_length(text.substr(i + 1));
    if (length == 0) return Errc::BadSyntax;
    i += 1 + length;
    if (i > kSourceRouteOctetsMax) return Errc::TooLong;
    if (i >= text.size()) return Errc::BadSyntax;
    if (text[i] == ':') return i + 1;
    if (text[i] != ',') return Errc::BadSyntax;
    ++i;
  }
}

/// "local@domain" at the front of `text`.
Result<Address> parse_mailbox(std::string_view text, std::size_t& octets) {
  const std::size_t local = local_part_length(text);
  if (local == 0) return Errc::BadSyntax;
  if (local > kLocalPartOctetsMax) return Errc::TooLong;
  if (local >= text.size() || text[local] != '@') return Errc::BadSyntax;
  const std::string_view rest = text.substr(local + 1);
  const std::size_t domain = domain_length(rest);
  if (domain == 0) return Errc::BadSyntax;
  if (domain > kDomainOctetsMax) return Errc::TooLong;
  octets = local + 1 + domain;
  Address address{std::string(text.substr(0, local)), std::string(rest.substr(0, domain))};
  if (!address.is_literal() && address.domain.back() == '.') return Errc::BadDomain;
  const Result<std::string> canonical = canonical_domain(address.domain);
  if (!canonical) return canonical.error();
  return address;
}

}  // namespace

std::string Address::text() const {
  if (domain.empty()) return local;
  std::string out;
  out.reserve(local.size() + 1 + domain.size());
  out += local;
  out += '@';
  out += domain;
  return out;
}

Result<Path> parse_path(std::string_view text, PathKind kind) {
  if (text.empty() || text.front() != '<') return Errc::BadSyntax;
  std::size_t at = 1;
  Path path;
  if (text.size() > at && text[at] == '>') {
    if (kind == PathKind::Forward) return Errc::BadSyntax;
    path.octets = 2;
    return path;
  }
  if (text.size() > at && text[at] == '@') {
    // RFC 5321 §4.1.1.3: a server MUST be ready for it and SHOULD ignore it.
    const Result<std::size_t> route = source_route_length(text.substr(at));
    if (!route) return route.error();
    at += *route;
    path.had_source_route = true;
  }
  const std::string_view rest = text.substr(at);
  // RFC 5321 §4.1.1.3: "<Postmaster>" without a domain, in any case.
  constexpr std::string_view kPostmaster = "postmaster";
  if (kind == PathKind::Forward && !path.had_source_route &&
      base::starts_with_ignoring_case(rest, kPostmaster) && rest.size() > kPostmaster.size() &&
      rest[kPostmaster.size()] == '>') {
    path.address = Address{std::string(rest.substr(0, kPostmaster.size())), {}};
    path.octets = at + kPostmaster.size() + 1;
    return path;
  }
  std::size_t length = 0;
  Result<Address> address = parse_mailbox(rest, length);
  if (!address) return address.error();
  at += length;
  if (at >= text.size() || text[at] != '>') return Errc::BadSyntax;
  path.octets = at + 1;
  path.needs_smtputf8 = has_high(address->local) || has_high(address->domain);
  if (path.needs_smtputf8 && !base::is_valid_utf8(text.substr(0, path.octets))) {
    return Errc::BadSyntax;
  }
  path.address = std::move(*address);
  return path;
}

Result<Address> parse_address(std::string_view text) {
  std::size_t length = 0;
  Result<Address> address = parse_mailbox(text, length);
  if (!address) return address;
  if (length != text.size()) return Errc::BadSyntax;
  if (has_high(text) && !base::is_valid_utf8(text)) return Errc::BadSyntax;
  return address;
}

bool is_strict_local_part(std::string_view local) {
  constexpr std::size_t kPromisedOctets = 64;
  if (local.size() > kPromisedOctets) return false;
  if (local.starts_with('"')) return true;
  return !local.starts_with('.') && !local.ends_with('.') &&
         local.find("..") == std::string_view::npos;
}

std::string bare_local_part(std::string_view odd) {
  const bool is_quoted = odd.size() >= 2 && odd.front() == '"' && odd.back() == '"';
  return std::string(is_quoted ? odd.substr(1, odd.size() - 2) : odd);
}

std::string quoted_local_part(std::string_view odd) {
  return '"' + bare_local_part(odd) + '"';
}

bool is_odd_local_part(std::string_view local) {
  const std::string bare = bare_local_part(local);
  // What needs its quotes for another reason has no other form.
  if (local_part_length(bare) != bare.size() || bare.starts_with('"')) return false;
  return bare.starts_with('.') || bare.ends_with('.') || bare.find("..") != std::string::npos;
}

bool is_strict_domain(std::string_view domain) {
  if (domain.empty()) return true;
  if (domain.ends_with('.') || domain.find('_') != std::string_view::npos) return false;
  return canonical_domain(domain).has_value();
}

Result<std::string> canonical_domain(std::string_view domain) {
  if (domain.size() > 4 * kDomainOctetsMax) return Errc::BadDomain;
  if (!domain.empty() && domain.front() == '[') {
    if (domain.back() != ']') return Errc::BadDomain;
    const std::string inner = canonical_literal(domain.substr(1, domain.size() - 2));
    if (inner.empty()) return Errc::BadDomain;
    return "[" + inner + "]";
  }
  if (!domain.empty() && domain.back() == '.') domain.remove_suffix(1);
  std::string canonical;
  if (has_high(domain)) {
    Result<std::string> ascii = to_a_labels(domain);
    if (!ascii) return ascii;
    canonical = base::lowered(*ascii);
    if (!canonical.empty() && canonical.back() == '.') canonical.pop_back();
  } else {
    canonical = base::lowered(domain);
  }
  if (canonical.size() > kDomainOctetsMax || !has_good_labels(canonical)) return Errc::BadDomain;
  return canonical;
}

std::string domain_of(std::string_view address) {
  const std::size_t at = address.rfind('@');
  if (at == std::string_view::npos) return {};
  Result<std::string> domain = canonical_domain(address.substr(at + 1));
  return domain ? std::move(*domain) : std::string();
}

std::string comparison_key(const Address& address) {
  std::string key;
  if (address.local.size() >= 2 && address.local.front() == '"') {
    const std::string_view inner =
        std::string_view(address.local).substr(1, address.local.size() - 2);
    for (std::size_t i = 0; i < inner.size(); ++i) {
      if (inner[i] == '\\' && i + 1 < inner.size()) ++i;
      key += inner[i];
    }
  } else {
    key = address.local;
  }
  // RFC 5321 §4.1.1.3: postmaster is the one local part whose case never counts.
  if (base::equals_ignoring_case(key, "postmaster")) key = "postmaster";
  if (address.domain.empty()) return key;
  key += '@';
  const Result<std::string> domain = canonical_domain(address.domain);
  key += domain ? *domain : base::lowered(address.domain);
  return key;
}

}  // namespace ekiden::smtp
