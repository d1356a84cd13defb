#pragma once

#include "ekiden/cli/cli.hpp"

namespace ekiden::apps {

/// `ekiden spool verify`: reads everything, changes nothing. Refuses while the relay runs.
cli::Found<cli::SpoolReport> verify_spool(
    const config::Settings& settings,
    const std::function<void(std::uint64_t, std::uint64_t)>& progress);

}  // namespace ekiden::apps
