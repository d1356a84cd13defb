#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/auth/arc_validator.hpp"
#include "ekiden/auth/dkim_signer.hpp"

namespace ekiden::auth {

struct ArcSealerOptions {
  DkimIdentity identity;    ///< its `identity` is not used: ARC has no i= of that kind
  std::string authserv_id;  ///< ours, for ARC-Authentication-Results
  /// h= of the message signature; empty: default_signed_names as far as the message has them, and
  /// DKIM-Signature.
  std::vector<std::string> exact_names;
  std::optional<base::Time> signed_at;  ///< t=
};

/// Adds an ARC set to one message as it streams by (RFC 8617 §5.1).
///
/// Sharing: one message, one object. `finish` takes two RSA signatures: off the workers.
class ArcSealer {
 public:
  explicit ArcSealer(ArcSealerOptions options);

  /// Errors: Errc::BadRecord (header too large, without From, or names that no message signature
  /// may list), Errc::BadKey (domain or selector is none).
  Result<void> begin(std::string_view header);
  void update_body(std::string_view octets) { body_.update(octets); }

  /// The three fields to put in front of the message; empty when nothing may be added: the chain
  /// failed before us, or has no room (RFC 8617 §5.1.2). `chain` is what ArcValidator found, and
  /// `results` what goes into ARC-Authentication-Results behind our id (collect_results).
  /// Errors: Errc::CryptoFailed.
  Result<std::string> finish(const ArcResult& chain, std::string_view results);

 private:
  void find_own_results(const HeaderIndex& header);
  Result<std::string> sign(std::string_view covered, std::string_view name,
                           const std::vector<std::string>& before,
                           const std::vector<std::string>& after) const;

  const ArcSealerOptions options_;
  std::vector<std::string> signed_names_;
  std::string canonical_;                      ///< of the message's signed fields
  std::optional<std::size_t> own_results_at_;  ///< where h= puts our own results in it
  std::string covered_;                        ///< of the sets before ours
  bool has_failed_before_ = false;
  BodyHash body_{Canonicalization::Relaxed};
};

}  // namespace ekiden::auth
