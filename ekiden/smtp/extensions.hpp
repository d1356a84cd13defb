#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ekiden/smtp/reply.hpp"

namespace ekiden::smtp {

/// What EHLO offers on one connection at one moment: only what is true right now.
struct Extensions {
  bool starttls = false;
  bool requiretls = false;     ///< RFC 8689 §2: under TLS only
  std::uint64_t size_max = 0;  ///< RFC 1870; zero: no fixed limit
  std::vector<std::string> mechanisms;
  std::uint32_t recipients_max = 0;  ///< LIMITS RCPTMAX (RFC 9422 §4.2); zero: not said
  std::uint32_t messages_max = 0;    ///< LIMITS MAILMAX (RFC 9422 §4.1); zero: not said
};

/// The reply to EHLO (RFC 5321 §4.1.1.1). `greeting` follows our name on the first line.
Reply format_ehlo(const std::string& hostname, const std::string& greeting,
                  const Extensions& extensions);

}  // namespace ekiden::smtp
