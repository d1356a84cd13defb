#pragma once

namespace ekiden::base {

/// Writes the condition, the reason and the place to standard error, then aborts.
[[noreturn]] void fail_assert(const char* condition, const char* why, const char* file, int line);

}  // namespace ekiden::base

/// Stops the process when we are wrong. Input from outside never reaches an assert.
#define EKIDEN_ASSERT(condition, why) \
  ((condition) ? (void)0 : ::ekiden::base::fail_assert(#condition, why, __FILE__, __LINE__))
