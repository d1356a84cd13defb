#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ekiden/base/ids.hpp"
#include "ekiden/base/result.hpp"
#include "ekiden/base/time.hpp"

namespace ekiden::message {

/// How a message came, for its Received field.
struct Trace {
  std::string_view helo;            ///< as said; anything
  std::string_view client_address;  ///< "192.0.2.1", "2001:db8::1"; empty over HTTP
  std::string_view client_name;     ///< reverse name when known and verified, or empty
  std::string_view host;            ///< ours
  std::string_view protocol;        ///< smtp_protocol(…), "HTTP"
  std::string_view tls_version;     ///< "TLSv1.3", or empty
  std::string_view tls_cipher;      ///< "TLS_AES_256_GCM_SHA384", or empty
  std::string_view recipient;       ///< only when the message has exactly one; empty: no `for`
  base::MessageId id;
  base::Time now{};
  bool hides_submitter = false;  ///< nothing of the client is told
};

/// A complete Received field, folded, with its CRLF (RFC 5321 §4.4, RFC 8314 §4.3). What the
/// client said appears only as far as it can neither break the syntax nor the line.
std::string format_received(const Trace& trace);

/// RFC 3848, RFC 6531 §4.3: "SMTP", "ESMTPSA", "UTF8SMTPS", …
std::string_view smtp_protocol(bool is_esmtp, bool has_tls, bool is_authenticated,
                               bool is_smtputf8);

/// "<id@host>".
std::string make_message_id(base::MessageId id, std::string_view host);

inline constexpr std::size_t kTagsMax = 20;
inline constexpr std::size_t kTagOctetsMax = 128;
inline constexpr std::size_t kMetadataOctetsMax = 10 * 1024;

/// What X-Ekiden-* headers of a trusted client ask for.
struct EkidenHeaders {
  std::optional<std::string> stream;
  std::vector<std::string> tags;
  std::string metadata;  ///< braces at both ends are all that was checked of the JSON
  std::optional<base::Time> send_at;
  std::vector<std::string> unknown;  ///< names that mean nothing to us, for a warning
};

/// Reads FixupResult::ekiden_headers. A tag over its limits, a second stream, metadata that is no
/// object, a date that is none: Errc::BadEkidenHeader, and `bad_name` is the header's.
Result<EkidenHeaders> parse_ekiden_headers(
    const std::vector<std::pair<std::string, std::string>>& headers,
    std::string* bad_name = nullptr);

/// "2026-11-22T06:10:11Z" with any offset (RFC 3339), "Sun, 22 Nov 2026 06:10:11 +0900"
/// (RFC 5322 §3.3, obsolete zones included), or Unix seconds.
std::optional<base::Time> parse_date(std::string_view text);

}  // namespace ekiden::message
