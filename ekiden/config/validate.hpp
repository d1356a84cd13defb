#pragma once

#include "ekiden/config/reader.hpp"

namespace ekiden::config {

/// Checks what no key can know alone — listeners that collide, trust in strangers, keys without
/// effect, files that cannot be read — and fills what is derived from files. Adds to
/// `loaded.diagnostics`.
void validate(Loaded& loaded, const Surroundings& surroundings);

}  // namespace ekiden::config
