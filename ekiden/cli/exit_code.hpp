#pragma once

namespace ekiden::cli {

/// What every command exits with.
enum ExitCode : int {
  kDone = 0,     ///< done; or a check was evaluated, whatever its verdict
  kRefused = 1,  ///< a refusal or a finding
  kUsage = 2,    ///< the command line makes no sense
  kFailed = 3,   ///< something did not work
};

}  // namespace ekiden::cli
