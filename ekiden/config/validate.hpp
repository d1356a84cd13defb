#pragma once

#include <set>
#include <string>

#include "ekiden/config/reader.hpp"

namespace ekiden::config {

/// Checks what no key can know alone — listeners that collide, trust in strangers, keys without
/// effect, files that cannot be read — and fills what is derived from files. Adds to
/// `loaded.diagnostics`.
///
/// Nothing is said about the keys and sections in `refused`, which have had their message.
void validate(Loaded& loaded, const std::set<std::string>& refused,
              const Surroundings& surroundings);

/// The same for [[source]] and [[pool]]; validate() calls it.
void validate_egress(Loaded& loaded, const std::set<std::string>& refused,
                     const Surroundings& surroundings);

/// The same for [signing] and [[alignment]]; validate() calls it.
void validate_identity(Loaded& loaded, const std::set<std::string>& refused,
                       const Surroundings& surroundings);

/// The same for [[rewrite]]; validate() calls it.
void validate_rewrite(Loaded& loaded, const std::set<std::string>& refused,
                      const Surroundings& surroundings);

}  // namespace ekiden::config
