#pragma once

#include <optional>
#include <set>
#include <string>

#include "ekiden/config/reader.hpp"

namespace ekiden::config {

/// What validators have in common: where a key stands in the file, and how to complain about it.
class Findings {
 public:
  static constexpr std::size_t kFileOctets = 16 * kMiB;

  Findings(Loaded& loaded, const std::set<std::string>& refused, const Surroundings& surroundings)
      : loaded_(loaded), refused_(refused), surroundings_(surroundings) {}

  Loaded& loaded() { return loaded_; }
  const Surroundings& surroundings() const { return surroundings_; }
  bool has(const std::string& path) const { return loaded_.origins.contains(path); }

  /// Says something at a key, or at the nearest thing around it that the file has.
  void say(Severity severity, std::string path, std::string message, std::string nearest = {});
  void refuse(const std::string& path, std::string message, std::string nearest = {}) {
    say(Severity::Error, path, std::move(message), std::move(nearest));
  }
  void warn(const std::string& path, std::string message) {
    say(Severity::Warning, path, std::move(message));
  }
  /// The same about a line of another file.
  void refuse_line(const std::string& file, unsigned line, std::string message);

  /// A file that is named must be readable; returns its contents.
  std::optional<std::string> file(const std::string& path, const std::string& name,
                                  std::size_t size_max = kFileOctets);

  /// The password in a file that is named, its last line end removed; nothing when there is none,
  /// which has been said.
  std::optional<std::string> secret(const std::string& path, const std::string& name);

  /// "route.domains" of "route[3].domains".
  static std::string without_index(const std::string& path);

 private:
  Loaded& loaded_;
  const std::set<std::string>& refused_;
  const Surroundings& surroundings_;
};

}  // namespace ekiden::config
