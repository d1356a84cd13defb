#include "ekiden/base/wildcard.hpp"

#include "ekiden/base/text.hpp"

namespace ekiden::base {

bool fits_wildcards(std::string_view text, std::string_view pattern, Wildcards wildcards) {
  std::size_t t = 0, p = 0;
  std::size_t star = std::string_view::npos, resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == wildcards.any) {
      star = p++;
      resume = t;
    } else if (p < pattern.size() &&
               (pattern[p] == wildcards.one || to_lower(pattern[p]) == to_lower(text[t]))) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == wildcards.any) ++p;
  return p == pattern.size();
}

}  // namespace ekiden::base
