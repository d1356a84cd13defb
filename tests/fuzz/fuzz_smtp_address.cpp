// Addresses and domains: what is accepted is accepted again and means the same, canonical forms
// are canonical, nothing longer than the limits comes through.
#include "ekiden/base/text.hpp"
#include "ekiden/smtp/address.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using namespace ekiden::smtp;

void check_canonical(std::string_view domain) {
  const auto canonical = canonical_domain(domain);
  if (!canonical) return;
  FUZZ_CHECK(!canonical->empty() && canonical->size() <= 255, "a domain is bounded");
  for (const char c : *canonical) {
    FUZZ_CHECK(c > ' ' && c < '\x7f', "a canonical domain is printable ASCII");
  }
  const auto again = canonical_domain(*canonical);
  FUZZ_CHECK(again && *again == *canonical, "a canonical domain is its own");
  if (canonical->front() != '[') {
    FUZZ_CHECK(ekiden::base::lowered(*canonical) == *canonical, "in lower case");
    const auto dotted = canonical_domain(*canonical + ".");
    FUZZ_CHECK(dotted && *dotted == *canonical, "a last dot means nothing");
  }
  std::string upper(domain);
  for (char& c : upper) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  const auto other = canonical_domain(upper);
  FUZZ_CHECK(other && *other == *canonical, "case means nothing");
}

void check_address(const Address& address) {
  FUZZ_CHECK(!address.local.empty() && address.local.size() <= 255, "a local part is bounded");
  FUZZ_CHECK(address.domain.size() <= 255, "a domain is bounded");
  for (const char c : address.text()) {
    FUZZ_CHECK(static_cast<unsigned char>(c) >= 0x20 && c != '\x7f', "no control characters");
  }
  const std::string key = comparison_key(address);
  FUZZ_CHECK(!key.empty() || address.local == "\"\"", "a key is never empty but for an empty name");
  if (address.domain.empty()) {
    FUZZ_CHECK(ekiden::base::lowered(address.local) == "postmaster", "only postmaster has none");
    return;
  }
  const auto again = parse_address(address.text());
  FUZZ_CHECK(again && again->local == address.local && again->domain == address.domain,
             "an address is one again");
  const auto canonical = canonical_domain(address.domain);
  FUZZ_CHECK(canonical, "an address has a canonical domain");
  FUZZ_CHECK(domain_of(address.text()) == *canonical, "the domain is behind the last @");
  FUZZ_CHECK(comparison_key({address.local, *canonical}) == key, "equal mailboxes, equal keys");
}

void check_path(std::string_view text, PathKind kind) {
  const auto path = parse_path(text, kind);
  if (!path) return;
  FUZZ_CHECK(path->octets >= 2 && path->octets <= text.size(), "a path lies in its text");
  FUZZ_CHECK(text[path->octets - 1] == '>', "and ends with a bracket");
  FUZZ_CHECK(path->address || kind == PathKind::Reverse, "only a reverse-path may be null");
  if (!path->address) return;
  check_address(*path->address);
  const std::string own = "<" + path->address->text() + ">";
  const auto again = parse_path(own, kind);
  FUZZ_CHECK(again && again->address && again->octets == own.size() && !again->had_source_route,
             "a path is one again");
  FUZZ_CHECK(again->address->text() == path->address->text(), "to the same mailbox");
  FUZZ_CHECK(path->had_source_route || again->needs_smtputf8 == path->needs_smtputf8,
             "with the same needs");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  check_path(text, PathKind::Reverse);
  check_path(text, PathKind::Forward);
  check_path("<" + text + ">", PathKind::Forward);
  if (const auto address = parse_address(text)) check_address(*address);
  check_canonical(text);
  check_canonical(domain_of(text).empty() ? text : domain_of(text));
  return 0;
}
