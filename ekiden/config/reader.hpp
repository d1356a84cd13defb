#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/config/diagnostic.hpp"
#include "ekiden/config/settings.hpp"

namespace ekiden::config {

/// A configuration file is at most this long; a longer one is refused.
inline constexpr std::size_t kFileOctetsMax = 4 * kMiB;
/// Addresses in one `inbound_domain.recipients` file.
inline constexpr std::size_t kRecipientListMax = 10'000'000;

/// Where a key in force was written.
struct Origin {
  unsigned line = 0;
  unsigned column = 0;
};

/// A file as read: settings that may be used when `ok()`, and everything there is to say.
struct Loaded {
  std::string file;
  Settings settings;
  /// By key: "node.hostname", "listener[0].address", "listener[0].trusted_networks[1]". What is
  /// missing here has its default.
  std::map<std::string, Origin> origins;
  std::vector<Diagnostic> diagnostics;  ///< in the order of the file

  bool ok() const;
  std::vector<Diagnostic> errors() const;
  std::vector<Diagnostic> warnings() const;
};

/// What the reader asks of the machine, so that tests can answer.
struct Surroundings {
  /// The contents of a file of at most `size_max` octets, or why not, in words.
  std::function<std::optional<std::string>(const std::string& path, std::size_t size_max,
                                           std::string& why)>
      read_file;
  std::function<std::string()> host_name;

  static Surroundings system();
};

/// Reads `file` strictly: an unknown key, a wrong type, a wrong unit, a key without effect, a file
/// that cannot be read are errors, all of them reported at once. Paths inside are taken as
/// written, so relative ones start at the working directory.
Loaded load(const std::string& file, const Surroundings& surroundings = Surroundings::system());

/// The same for text that is not in a file; `file` is only named in messages.
Loaded parse(std::string_view toml, const std::string& file, const Surroundings& surroundings);

}  // namespace ekiden::config
