#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/auth/canonical.hpp"
#include "ekiden/auth/dkim_key.hpp"
#include "ekiden/message/header_scan.hpp"

namespace ekiden::auth {

/// Names in h= of one signature; past it the signature is refused. Real ones have thirty.
inline constexpr std::size_t kSignedNamesMax = 1000;

enum class SignatureAlgorithm : std::uint8_t { RsaSha256, Ed25519Sha256, RsaSha1 };

/// Which field a signature stands in; they differ in their tags.
enum class SignatureKind : std::uint8_t {
  Dkim,        ///< DKIM-Signature (RFC 6376 §3.5)
  ArcMessage,  ///< ARC-Message-Signature (RFC 8617 §4.1.2)
  ArcSeal,     ///< ARC-Seal (RFC 8617 §4.1.3)
};

/// What a signature field says.
struct Signature {
  std::string algorithm_text;  ///< a= as it stands
  SignatureAlgorithm algorithm = SignatureAlgorithm::RsaSha256;
  std::string domain;    ///< d=, lower case
  std::string selector;  ///< s=
  std::string identity;  ///< i= as it stands, or "@" and d=; DKIM only
  Canonicalization header = Canonicalization::Simple;
  Canonicalization body = Canonicalization::Simple;
  std::vector<std::string> signed_names;     ///< h=, lower case
  std::string body_hash;                     ///< bh=, decoded
  std::string signature;                     ///< b=, decoded
  std::string_view signature_raw;            ///< b= where it stands in the field
  std::optional<std::uint64_t> body_octets;  ///< l=
  std::optional<std::uint64_t> signed_at_s;  ///< t=
  std::optional<std::uint64_t> expires_s;    ///< x=
  std::uint32_t instance = 0;                ///< i= of the two ARC fields
  std::string_view chain;                    ///< cv= of ARC-Seal

  KeyType key_type() const {
    return algorithm == SignatureAlgorithm::Ed25519Sha256 ? KeyType::Ed25519 : KeyType::Rsa;
  }
  /// Where the key lies: "selector._domainkey.domain".
  std::string key_name() const { return selector + "._domainkey." + domain; }
};

/// Reads a signature field. False: it is malformed, `why` says how, and `out` holds what could be
/// told of it nevertheless. Views in `out` are views into `field`.
bool parse_signature(SignatureKind kind, const message::Field& field, Signature& out,
                     std::string& why);

/// The fields of a header, found by name from the bottom up (RFC 6376 §5.4.2).
///
/// Sharing: views into the header.
class HeaderIndex {
 public:
  HeaderIndex() = default;
  explicit HeaderIndex(std::vector<message::Field> fields);

  const std::vector<message::Field>& fields() const { return fields_; }
  /// How many fields have the name, given in lower case.
  std::size_t count(std::string_view lower_name) const;

  /// Appends the canonical form of what `names` select, each field at most once. A name without a
  /// further field adds nothing.
  void append_selected(Canonicalization canonicalization, const std::vector<std::string>& names,
                       std::string& out) const;

 private:
  struct Entry {
    std::string name;
    std::uint32_t field;
  };
  /// Of the entries with the name: [first, second).
  std::pair<std::size_t, std::size_t> find(std::string_view lower_name) const;

  std::vector<message::Field> fields_;
  std::vector<Entry> entries_;  ///< by name, then from the bottom of the header up
};

/// Walks a header section. `is_whole` is false when it is over HeaderScanner's limits; what came
/// before is there.
HeaderIndex scan_header(std::string_view header, bool& is_whole);

}  // namespace ekiden::auth
