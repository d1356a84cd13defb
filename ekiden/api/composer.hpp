#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ekiden/api/draft.hpp"
#include "ekiden/api/japanese.hpp"
#include "ekiden/message/header_text.hpp"

namespace ekiden::api {

struct Composed {
  std::string octets;  ///< header section and body, CRLF, 7 bits
  std::vector<Unmapped> unmapped;
};

/// Makes MIME of a checked draft, by GMime: RFC 2047 and RFC 2231 in headers, quoted-printable or
/// base64 in bodies, text and HTML as alternatives, inline parts related to the HTML. Date and
/// Message-ID are added when the message is taken; Bcc is not written. The headers X-Ekiden-* carry
/// stream, tags, metadata and time to admission, as over SMTP.
///
/// Takes about 50 µs and as much again for each 100 KiB: large drafts belong to the pool.
/// Any thread.
Composed compose(const Draft& draft);

using message::decode_header_text;

}  // namespace ekiden::api
