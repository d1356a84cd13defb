#include "ekiden/net/stream.hpp"

#include <algorithm>
#include <array>

#include "ekiden/base/assert.hpp"

namespace ekiden::net {
namespace {

// Pieces written by one call; more go in the next.
constexpr std::size_t kPiecesPerWrite = 16;

}  // namespace

base::Task<Result<std::size_t>> read_some(Stream& stream, std::span<char> into,
                                          base::Steady deadline) {
  EKIDEN_ASSERT(!into.empty(), "reading into nothing would wait for nothing");
  for (;;) {
    // Waiting comes first: most of the time nothing is there, and asking before waiting would
    // be one system call more (docs/decisions/0001-streams-by-readiness.md).
    const Result<void> ready = co_await stream.wait(Direction::Read, deadline);
    if (!ready) co_return ready.error();
    const Result<std::size_t> read = stream.try_read(into);
    if (read || read.error() != Errc::WouldBlock) co_return read;
  }
}

base::Task<Result<void>> write_all(Stream& stream, std::string_view octets, base::Steady deadline) {
  while (!octets.empty()) {
    const Result<std::size_t> written = stream.try_write(std::span(&octets, 1));
    if (written) {
      octets.remove_prefix(*written);
      continue;
    }
    if (written.error() != Errc::WouldBlock) co_return written.error();
    const Result<void> ready = co_await stream.wait(Direction::Write, deadline);
    if (!ready) co_return ready.error();
  }
  co_return Result<void>();
}

base::Task<Result<void>> write_all(Stream& stream, std::span<const std::string_view> pieces,
                                   base::Steady deadline) {
  std::size_t skip = 0;  // Octets of the first piece that are written already.
  for (;;) {
    std::array<std::string_view, kPiecesPerWrite> next;
    std::size_t count = 0;
    while (!pieces.empty() && skip >= pieces.front().size()) {
      skip -= pieces.front().size();
      pieces = pieces.subspan(1);
    }
    if (pieces.empty()) co_return Result<void>();
    for (; count < std::min(pieces.size(), next.size()); ++count) next[count] = pieces[count];
    next[0].remove_prefix(skip);

    const Result<std::size_t> written = stream.try_write(std::span(next.data(), count));
    if (written) {
      skip += *written;
      continue;
    }
    if (written.error() != Errc::WouldBlock) co_return written.error();
    const Result<void> ready = co_await stream.wait(Direction::Write, deadline);
    if (!ready) co_return ready.error();
  }
}

}  // namespace ekiden::net
