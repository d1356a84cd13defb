#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/auth/body_hash.hpp"
#include "ekiden/auth/dkim_key.hpp"
#include "ekiden/auth/dkim_signature.hpp"
#include "ekiden/base/result.hpp"
#include "ekiden/base/time.hpp"

namespace ekiden::auth {

/// For whom a message is signed, and with what.
struct DkimIdentity {
  std::string domain;    ///< d=, A-labels
  std::string selector;  ///< s=
  PrivateKey key;
  std::string identity;  ///< i=; empty: left out, which means "@" and d=
};

/// What is signed: RFC 6376 §5.4.1, and what bulk senders are asked to sign (List-Unsubscribe and
/// List-Unsubscribe-Post: RFC 8058 §4; Feedback-ID).
const std::vector<std::string>& default_signed_names();

struct DkimSignerOptions {
  Canonicalization header = Canonicalization::Relaxed;
  Canonicalization body = Canonicalization::Relaxed;
  /// Signed as often as the message has them. A name that it lacks is not listed.
  std::vector<std::string> names = default_signed_names();
  /// Listed once more than the message has them, so that none can be added behind our back. A name
  /// that it lacks altogether is listed once.
  std::vector<std::string> oversigned = {"From"};
  /// In place of the two lists: h= as it stands here.
  std::vector<std::string> exact_names;
  std::optional<base::Time> signed_at;     ///< t=
  std::optional<base::Duration> lifetime;  ///< x= is so far behind t=; needs `signed_at`
};

/// Signs one message as it streams by (RFC 6376 §5), for any number of identities in one pass.
///
/// Sharing: one message, one object. `finish` takes a millisecond for each RSA key, so it runs off
/// the workers.
class DkimSigner {
 public:
  explicit DkimSigner(DkimSignerOptions options);

  /// Reads the header section, with or without its blank line; the octets are not needed longer.
  /// Errors: of message::HeaderScanner; Errc::BadRecord when From is missing or not to be signed.
  Result<void> begin(std::string_view header);
  void update_body(std::string_view octets) { body_.update(octets); }

  /// The fields to put in front of the message, in the order of `identities`. Each ends with CRLF.
  /// Errors: Errc::BadKey (domain or selector is none), Errc::CryptoFailed.
  Result<std::string> finish(std::span<const DkimIdentity> identities);

 private:
  std::vector<std::string> choose_names(const HeaderIndex& header) const;

  const DkimSignerOptions options_;
  std::vector<std::string> signed_names_;
  std::string canonical_;
  BodyHash body_;
};

}  // namespace ekiden::auth
