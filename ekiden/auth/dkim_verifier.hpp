#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/auth/body_hash.hpp"
#include "ekiden/auth/dkim_key.hpp"
#include "ekiden/auth/dkim_signature.hpp"
#include "ekiden/auth/verdict.hpp"
#include "ekiden/base/task.hpp"
#include "ekiden/base/time.hpp"
#include "ekiden/dns/resolver.hpp"

namespace ekiden::auth {

/// Signatures of one message that are evaluated, from the top. Of further ones the verdict is
/// Policy: each costs a hash of the header and a question to the DNS.
inline constexpr std::size_t kDkimSignaturesMax = 10;

/// What came of one DKIM-Signature field.
struct DkimResult {
  std::string domain, selector, algorithm, identity;
  Verdict verdict = Verdict::None;
  std::string reason;       ///< empty with Pass, unless there is something to add
  unsigned key_bits = 0;    ///< of the key that decided
  bool is_testing = false;  ///< the key record says t=y
};

using KeyAnswerPointer = std::shared_ptr<const KeyAnswer>;

struct DkimVerifierOptions {
  base::Time now{};
  std::size_t signatures_max = kDkimSignaturesMax;
  /// How far in the future t= may lie.
  base::Duration clock_skew_max = std::chrono::minutes(5);
};

/// Verifies the DKIM signatures of one message as it streams by (RFC 6376 §6).
///
///     DkimVerifier verifier(options);
///     verifier.begin(header);
///     while (…) verifier.update_body(octets);
///     verifier.finish_body();
///     results = co_await verify_dkim(verifier, resolver);
///
/// Or, with keys at hand, in place of the last line: `key_names()` says which, and `verify` takes
/// them in that order. Then nothing waits.
///
/// Results follow the header from the top, one for each DKIM-Signature.
///
/// Sharing: one message, one object.
class DkimVerifier {
 public:
  explicit DkimVerifier(DkimVerifierOptions options) : options_(options) {}

  /// Reads the header section, with or without its blank line; the octets are not needed longer.
  void begin(std::string_view header);
  /// False: no signature asks for the body.
  bool wants_body() const { return !bodies_.empty(); }
  void update_body(std::string_view octets);
  void finish_body();

  /// The names below which keys lie that decide something still. At most `signatures_max`.
  std::vector<std::string> key_names() const;
  /// `keys` in the order of key_names.
  std::vector<DkimResult> verify(const std::vector<KeyAnswerPointer>& keys);

 private:
  /// A signature that is well-formed and evaluated.
  struct Check {
    std::size_t result;
    Signature signature;
    Sha256Digest header_digest;
    std::size_t body;
    bool is_open = true;  ///< nothing is decided yet
  };
  void decide(std::size_t result, Verdict verdict, std::string reason);
  void begin_signature(const HeaderIndex& header, const message::Field& field);
  std::size_t find_body(const Signature& signature);
  void judge(const Check& check, const KeyAnswer& keys, DkimResult& result) const;

  const DkimVerifierOptions options_;
  std::vector<DkimResult> results_;
  std::vector<Check> checks_;
  std::vector<std::unique_ptr<BodyHash>> bodies_;
};

/// Whether the key made the signature, and may have; Pass, or why not.
struct KeyVerdict {
  Verdict verdict = Verdict::PermanentError;
  std::string reason;
  unsigned key_bits = 0;
  bool is_testing = false;
};
KeyVerdict judge_keys(const Signature& signature, const Sha256Digest& header_digest,
                      const KeyAnswer& keys);

/// Asks for all keys at once, and waits for the last. Answers are in the order of `names`.
base::Task<std::vector<KeyAnswerPointer>> find_keys(dns::Resolver& resolver,
                                                    std::vector<std::string> names);

/// The last step of a verifier whose body has ended.
base::Task<std::vector<DkimResult>> verify_dkim(DkimVerifier& verifier, dns::Resolver& resolver);

}  // namespace ekiden::auth
