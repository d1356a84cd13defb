#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/auth/dkim_verifier.hpp"

namespace ekiden::auth {

/// RFC 8617 §4.2.1: sets of one message; a chain that would be longer has failed.
inline constexpr std::uint32_t kArcSetsMax = 50;

/// RFC 8617 §4.4.
enum class ArcStatus : std::uint8_t { None, Pass, Fail };
/// "none", "pass", "fail".
std::string_view arc_status_name(ArcStatus status);

struct ArcResult {
  ArcStatus status = ArcStatus::None;
  std::uint32_t instance = 0;  ///< the highest there is
  std::string reason;          ///< why it failed
  std::string domain;          ///< d= of the newest seal
};

/// The ARC fields of one header, by instance.
struct ArcSet {
  const message::Field* results = nullptr;    ///< ARC-Authentication-Results
  const message::Field* signature = nullptr;  ///< ARC-Message-Signature
  const message::Field* seal = nullptr;       ///< ARC-Seal
};

/// Finds the sets; `sets[0]` is instance 1. Empty and no reason: there are none. With a reason the
/// structure is broken (RFC 8617 §5.2, step 3), and `highest` is the highest instance seen.
struct ArcSets {
  std::vector<ArcSet> sets;
  std::uint32_t highest = 0;
  std::string reason;
};
ArcSets find_arc_sets(const HeaderIndex& header);

/// Appends the fields of one set in relaxed form, in the order in which seals cover them
/// (RFC 8617 §5.1.1); the seal as itself, or as the one that is signed.
void append_arc_set(const ArcSet& set, std::string& out);

/// Validates the ARC chain of one message as it streams by (RFC 8617 §5.2). Used like
/// DkimVerifier. The newest message signature and every seal must hold; older message signatures
/// are not evaluated, because forwarding breaks them.
///
/// Sharing: one message, one object.
class ArcValidator {
 public:
  /// Reads the header section, with or without its blank line; the octets are not needed longer.
  void begin(std::string_view header);
  bool wants_body() const { return body_ != nullptr; }
  void update_body(std::string_view octets);
  void finish_body();

  /// At most kArcSetsMax and one.
  std::vector<std::string> key_names() const;
  /// `keys` in the order of key_names.
  ArcResult verify(const std::vector<KeyAnswerPointer>& keys);

  /// In place of all the steps behind `begin`: what an earlier look of ours found, before we
  /// changed the message. A broken structure is Fail all the same.
  ArcResult trust(ArcStatus earlier);

 private:
  struct Check {
    Signature signature;
    Sha256Digest digest;
    std::string what;  ///< "ARC-Seal i=2", for reasons
  };
  void fail(std::string reason);
  bool add(SignatureKind kind, const message::Field& field, std::uint32_t instance,
           Signature& signature);

  ArcResult result_;
  bool is_open_ = false;
  std::vector<Check> checks_;
  std::string body_hash_;
  std::unique_ptr<BodyHash> body_;
};

base::Task<ArcResult> verify_arc(ArcValidator& validator, dns::Resolver& resolver);

}  // namespace ekiden::auth
