#pragma once

#include <string_view>

namespace ekiden::base {

/// What stands for any text, and for one octet, in a pattern.
struct Wildcards {
  char any = '*', one = '?';
};

/// Whether all of the text fits; letters of ASCII in either case. Time: text times pattern at most.
bool fits_wildcards(std::string_view text, std::string_view pattern, Wildcards wildcards = {});

}  // namespace ekiden::base
