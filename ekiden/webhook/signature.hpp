#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/base/random.hpp"
#include "ekiden/base/time.hpp"

namespace ekiden::webhook {

/// A secret of Standard Webhooks 1.0.0: "whsec_" and 24 to 64 octets in base64.
std::string make_standard_secret(base::Random& random);
bool is_standard_secret(std::string_view secret);

/// "v1,<base64 of HMAC-SHA256>" over "id.timestamp.body". Nothing when the secret is none.
std::optional<std::string> sign_standard(std::string_view secret, std::string_view id,
                                         std::int64_t timestamp_s, std::string_view body);

/// An ECDSA key on P-256, as PEM. Nothing when OpenSSL cannot make one.
std::optional<std::string> make_sendgrid_key();
/// Its public half as SendGrid hands it out: base64 of the DER SubjectPublicKeyInfo, in one line.
std::optional<std::string> sendgrid_public_key(std::string_view pem);
/// base64 of the DER signature with SHA-256 over the timestamp and then the body.
std::optional<std::string> sign_sendgrid(std::string_view pem, std::string_view timestamp,
                                         std::string_view body);

/// Names a batch by the ids in it: the same events have the same name. One event's is its own id.
std::string batch_id(const std::vector<std::string_view>& event_ids);

}  // namespace ekiden::webhook
