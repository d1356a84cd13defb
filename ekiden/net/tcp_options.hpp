#pragma once

namespace ekiden::net {

/// What every TCP connection of the relay has: no delay of small segments, since replies and
/// commands are written whole, and keep-alives, so that a peer that vanished is noticed within
/// five minutes even where a deadline is long. Failure is harmless.
void set_stream_options(int descriptor);

}  // namespace ekiden::net
