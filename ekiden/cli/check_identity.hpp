#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ekiden/auth/spf_check.hpp"
#include "ekiden/cli/check.hpp"

namespace ekiden::cli {

/// --ip, --from and --helo, of every check that evaluates SPF.
std::vector<CheckFlag> spf_flags();
/// Nothing, with `problem`, when they make no sense.
std::optional<auth::SpfQuery> read_spf_query(const CheckRequest& request, base::Time now,
                                             std::string& problem);

}  // namespace ekiden::cli
