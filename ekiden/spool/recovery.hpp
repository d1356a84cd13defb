#pragma once

#include <functional>

#include "ekiden/spool/state.hpp"

namespace ekiden::spool {

/// Rebuilds index, segment table and events from the disk, and shows each live message once.
/// Blocks. Memory: docs/SPOOL.md, "Start, and its memory". Errors: Io.
///
/// `finished` gets the messages whose recipients are all final without a done: the caller writes
/// it.
Result<void> recover_state(JournalState& state, const std::function<void(const Recovered&)>& visit,
                           std::vector<base::MessageId>& finished);

}  // namespace ekiden::spool
