#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ekiden/base/ids.hpp"
#include "ekiden/base/result.hpp"
#include "ekiden/base/time.hpp"

namespace ekiden::message {

/// What admission changes in the header section. Without any option the header stays as it is.
struct FixupOptions {
  bool add_missing_date = false;
  bool add_missing_message_id = false;
  bool remove_bcc = false;             ///< Bcc and Resent-Bcc
  bool remove_return_path = false;     ///< RFC 5321 §4.4: only final delivery writes it
  bool remove_ekiden_headers = false;  ///< X-Ekiden-*: returned in `ekiden_headers`
  bool remove_smtpapi = false;         ///< X-SMTPAPI: returned in `smtpapi`
  std::string received_field;          ///< complete, folded, with CRLF; put first. May be empty.
  base::Time now{};
  std::string message_id_host;
  base::MessageId id;
};

struct FixupResult {
  std::string header;                 ///< the new section, with its blank line
  std::string header_from;            ///< first address of the first From, or empty
  std::vector<std::string> from_all;  ///< every address of every From field, at most 64
  std::size_t from_count = 0;         ///< of addresses in From, those past the 64 too
  unsigned from_fields = 0;           ///< RFC 5322 §3.6 wants exactly one
  std::string subject;                ///< raw, unfolded, at most 200 octets
  std::string message_id;             ///< with its brackets; ours when it was added
  /// Name in lower case and unfolded value of each X-Ekiden-* field, in order.
  std::vector<std::pair<std::string, std::string>> ekiden_headers;
  std::string smtpapi;                ///< unfolded, of the first such field
  unsigned received_count = 0;        ///< before ours was added
  bool has_eight_bit_header = false;  ///< in what was kept
  bool is_tls_optional = false;       ///< "TLS-Required: No" (RFC 8689 §3)
  std::size_t header_octets = 0;      ///< of the input that `header` replaces; the body follows
};

/// Rewrites the header section at the front of a message.
///
/// `octets` holds the message up to the blank line at least (find_header_end), or, when there is
/// none, the whole message or more than kHeaderOctetsMax of it. Fields that are not concerned
/// keep their octets, order, folding and case. A section that ends without a blank line before
/// the first octet of a body gets one. A first line as mailbox files have it ("From a@b Sun …")
/// is kept as X-Mailbox-Line, since it would hide the whole header.
///
/// Errors: HeaderTooLarge, TooManyFields.
Result<FixupResult> fix_header(std::string_view octets, const FixupOptions& options);

}  // namespace ekiden::message
