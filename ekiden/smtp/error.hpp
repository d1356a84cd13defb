#pragma once

#include "ekiden/base/result.hpp"

namespace ekiden::smtp {

enum class Errc {
  /// Not the grammar of RFC 5321. The peer sees 501 5.1.3 or 5.1.7, or 500 5.5.2.
  BadSyntax = 1,
  /// A domain that the DNS or IDNA 2008 cannot carry. The peer sees 501 5.1.2.
  BadDomain,
  /// A part is longer than its limit. The peer sees 501 5.1.3 or 500 5.5.2.
  TooLong,
  /// A CR or LF that is no half of a CRLF. The peer sees 554 5.5.2 and the connection closes.
  BareNewline,
  /// A text line is longer than the limit. The peer sees 500 5.6.0 after the message.
  LineTooLong,
  /// A reply that is none (RFC 5321 §4.2). The connection closes; the host is tried later.
  BadReply,
};

Error make_error_code(Errc value);

}  // namespace ekiden::smtp

template <>
struct boost::system::is_error_code_enum<ekiden::smtp::Errc> : std::true_type {};
