#include "ekiden/shaping/rule_files.hpp"

#include <algorithm>
#include <filesystem>

namespace ekiden::shaping {

std::vector<RuleFile> read_rule_files(const std::string& folder,
                                      std::vector<config::Diagnostic>& diagnostics) {
  const auto complain = [&](const std::string& file, std::string message) {
    diagnostics.push_back({config::Severity::Error, file, 0, 0, std::move(message), {}});
  };
  std::error_code error;
  std::vector<std::string> paths;
  std::filesystem::directory_iterator entry(folder, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    if (entry->path().extension() != ".toml") continue;
    if (paths.size() == kRuleFilesMax) {
      complain(folder, "shaping.rules_dir has more than 1000 files");
      return {};
    }
    paths.push_back(entry->path().string());
  }
  if (error) {
    complain(folder, "shaping.rules_dir cannot be read: " + error.message());
    return {};
  }
  std::sort(paths.begin(), paths.end());
  const config::Surroundings system = config::Surroundings::system();
  std::vector<RuleFile> files;
  for (const std::string& path : paths) {
    std::string why;
    auto text = system.read_file(path, kRuleFileOctetsMax, why);
    if (!text) {
      complain(path, "it cannot be read: " + why);
      continue;
    }
    files.push_back({std::filesystem::path(path).filename().string(), std::move(*text), path});
  }
  return files;
}

}  // namespace ekiden::shaping
