#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ekiden/config/diagnostic.hpp"
#include "ekiden/shaping/profile.hpp"

namespace ekiden::shaping {

/// Reads a provider's file over `profile`: what the file names is replaced, its rules go before
/// those that are there. Strict: an unknown key, a value without its unit, limits that contradict
/// each other, a pattern that is none are errors with line and column. `file` goes into messages
/// and into `ReplyRule::origin`. Whether examples reach their rules is seen by `build_providers`.
void read_profile(std::string_view toml, const std::string& file, Profile& profile,
                  std::vector<config::Diagnostic>& diagnostics);

/// "example.org" or "*.example.org", lower case, letters, digits, hyphens and underscores.
bool is_host_pattern(std::string_view text);

}  // namespace ekiden::shaping
