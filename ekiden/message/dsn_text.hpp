#pragma once

#include <string>

#include "ekiden/message/dsn.hpp"

namespace ekiden::message {

/// The part of a report that people read: English, then Japanese. UTF-8, CRLF.
std::string format_dsn_text(const DsnRequest& request);

/// "5.1.1": what the recipient's reply says, or what its kind implies.
smtp::EnhancedCode dsn_status(const DsnRecipient& recipient, DsnKind kind);

}  // namespace ekiden::message
