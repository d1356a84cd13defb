#pragma once

#include <stdexcept>

/// toml++, which meets some mistakes in a file with an assertion ("[:" for one). Whoever edits a
/// file must not be able to end a running relay, so here an assertion is an exception.
namespace ekiden::config {

struct TomlAssertion : std::logic_error {
  using std::logic_error::logic_error;
};

}  // namespace ekiden::config

// With NDEBUG toml++ takes for granted what it would assert. Where it asserts in functions that may
// not throw, the process ends as it would have.
#pragma GCC diagnostic push
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wterminate"
#endif
#pragma push_macro("NDEBUG")
#undef NDEBUG
#define TOML_ASSERT(condition) \
  ((condition) ? static_cast<void>(0) : throw ::ekiden::config::TomlAssertion(#condition))
#include <toml++/toml.h>
#pragma pop_macro("NDEBUG")
#pragma GCC diagnostic pop
