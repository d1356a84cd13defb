#pragma once

#include <string>
#include <vector>

#include "ekiden/config/reader.hpp"

namespace ekiden::shaping {

/// One provider's file: "gmail.toml" and what stands in it.
struct RuleFile {
  std::string name;
  std::string text;
  std::string path;  ///< for messages; empty: shipped
};

inline constexpr std::size_t kRuleFilesMax = 1000;
inline constexpr std::size_t kRuleFileOctetsMax = 1 << 20;

/// config/providers as it was when the binary was built, by name.
const std::vector<RuleFile>& shipped_files();

/// The *.toml of a folder, by name. What cannot be read is a diagnostic.
std::vector<RuleFile> read_rule_files(const std::string& folder,
                                      std::vector<config::Diagnostic>& diagnostics);

}  // namespace ekiden::shaping
