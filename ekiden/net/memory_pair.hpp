#pragma once

#include <cstddef>
#include <memory>

#include "ekiden/base/worker.hpp"
#include "ekiden/net/stream.hpp"

namespace ekiden::net {

struct MemoryPair {
  std::unique_ptr<Stream> first;
  std::unique_ptr<Stream> second;
};

/// For tests: two streams on one worker, each the other's peer, with `capacity` octets of room in
/// each direction. Deadlines come from the worker's clock. Closing one end is an end of stream to
/// the other; destroying it too.
///
/// End every wait (close a stream) before the loop goes: both ends own what waits on them.
MemoryPair make_memory_pair(base::Worker& worker, std::size_t capacity = 64 * 1024);

}  // namespace ekiden::net
