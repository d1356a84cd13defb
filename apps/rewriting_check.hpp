#pragma once

#include "ekiden/cli/cli.hpp"

namespace ekiden::apps {

/// For `ekiden rewrite`: the rules and routes of a configuration, without a running node. The
/// node's key is read where there is one and it may be read; it is never made here.
cli::Found<cli::Rewriting> rewriting_for_test(const config::Settings& settings);

}  // namespace ekiden::apps
