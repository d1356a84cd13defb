#include "ekiden/config/findings.hpp"

namespace ekiden::config {

void Findings::say(Severity severity, std::string path, std::string message, std::string nearest) {
  Origin at;
  if (refused_.contains(path)) return;
  while (!path.empty()) {
    if (const auto found = loaded_.origins.find(path); found != loaded_.origins.end()) {
      at = found->second;
      break;
    }
    const std::size_t end = path.find_last_of(".[");
    path.resize(end == std::string::npos ? 0 : end);
  }
  loaded_.diagnostics.push_back(
      {severity, loaded_.file, at.line, at.column, std::move(message), std::move(nearest)});
}

void Findings::refuse_line(const std::string& file, unsigned line, std::string message) {
  loaded_.diagnostics.push_back({Severity::Error, file, line, 1, std::move(message), {}});
}

std::optional<std::string> Findings::secret(const std::string& path, const std::string& name) {
  constexpr std::size_t kOctetsMax = 4096;
  auto text = file(path, name, kOctetsMax);
  if (!text) return std::nullopt;
  while (!text->empty() && (text->back() == '\n' || text->back() == '\r')) text->pop_back();
  if (text->empty() || text->find('\0') != std::string::npos) {
    refuse(path, without_index(path) + ": \"" + name + "\" holds no password");
    return std::nullopt;
  }
  return text;
}

std::optional<std::string> Findings::file(const std::string& path, const std::string& name,
                                          std::size_t size_max) {
  if (name.empty()) return std::nullopt;
  std::string why;
  auto contents = surroundings_.read_file(name, size_max, why);
  if (!contents) {
    // A default that is missing must not keep a relay from starting that never needs it.
    say(has(path) ? Severity::Error : Severity::Warning, path,
        without_index(path) + ": the file \"" + name + "\" cannot be read: " + why);
  }
  return contents;
}

std::string Findings::without_index(const std::string& path) {
  std::string text;
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (path[i] == '[')
      i = path.find(']', i);
    else
      text += path[i];
  }
  return text;
}

}  // namespace ekiden::config
