#pragma once

#include <chrono>

#include "ekiden/base/time.hpp"

namespace ekiden::smtp {

/// How long a client waits for its server (RFC 5321 §4.5.3.2); the defaults are that section's.
struct ClientTimeOuts {
  /// §4.5.3.2.1 to §4.5.3.2.3: the greeting, MAIL and RCPT. EHLO, STARTTLS, AUTH and RSET have no
  /// figure of their own.
  base::Duration command = std::chrono::minutes(5);
  /// §4.5.3.2.5: for each block of the body to be taken; 354 (§4.5.3.2.4: two minutes) waits as
  /// long.
  base::Duration data = std::chrono::minutes(3);
  /// §4.5.3.2.6. Less makes duplicates: the peer takes the message just as we give up.
  base::Duration final_dot = std::chrono::minutes(10);
};

}  // namespace ekiden::smtp
