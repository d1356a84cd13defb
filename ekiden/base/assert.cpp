#include "ekiden/base/assert.hpp"

#include <cstdio>
#include <cstdlib>

namespace ekiden::base {

void fail_assert(const char* condition, const char* why, const char* file, int line) {
  std::fprintf(stderr, "ekiden: %s:%d: %s must hold: %s\n", file, line, condition, why);
  std::abort();
}

}  // namespace ekiden::base
