#pragma once

#include <optional>
#include <string>

#include "ekiden/control/filter.hpp"

namespace CLI {
class App;
}

namespace ekiden::cli {

/// The filter flags of queue commands: --domain, --tenant, …
struct FilterOptions {
  control::Filter filter;
  std::string message, older_than;

  void add_to(CLI::App& app);
  /// The filter, or nothing and a sentence.
  std::optional<control::Filter> read(std::string& problem) const;
};

}  // namespace ekiden::cli
