#include "tests/fuzz/fuzz.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "ekiden/base/log.hpp"

namespace ekiden::fuzz {

void fail(const char* condition, const char* promise, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: broken promise: %s (%s)\n", file, line, promise, condition);
  std::abort();
}

bool has_bare_newline(std::string_view octets, bool may_stack) {
  for (std::size_t i = 0; i < octets.size(); ++i) {
    if (octets[i] == '\n' && (i == 0 || octets[i - 1] != '\r')) return true;
    if (octets[i] != '\r') continue;
    std::size_t next = i + 1;
    while (may_stack && next < octets.size() && octets[next] == '\r') ++next;
    if (next == octets.size() || octets[next] != '\n') return true;
  }
  return false;
}

std::size_t longest_line(std::string_view octets) {
  std::size_t longest = 0;
  while (!octets.empty()) {
    const std::size_t end = std::min(octets.find("\r\n"), octets.size());
    longest = std::max(longest, end);
    octets.remove_prefix(std::min(end + 2, octets.size()));
  }
  return longest;
}

}  // namespace ekiden::fuzz

/// Above every level: damage on purpose would fill the screen with what operators should see.
extern "C" int LLVMFuzzerInitialize(int*, char***) {
  ekiden::base::log::start(static_cast<ekiden::base::log::Level>(100),
                           ekiden::base::log::Format::Logfmt);
  ekiden::base::log::stop();
  return 0;
}
