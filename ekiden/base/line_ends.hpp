#pragma once

#include <string>
#include <string_view>

namespace ekiden::base {

/// Text whose lines end with LF, as mail has it: with CRLF.
inline std::string with_crlf(std::string_view lf) {
  std::string out;
  out.reserve(lf.size() + lf.size() / 16);
  for (const char c : lf) {
    if (c == '\n') out += '\r';
    out += c;
  }
  return out;
}

}  // namespace ekiden::base
