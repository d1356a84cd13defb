#include "ekiden/net/memory_pair.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/ip/address.hpp>
#include <cstring>
#include <utility>

#include "ekiden/base/assert.hpp"

namespace ekiden::net {
namespace {

using Waiter = base::Completion<Result<void>>;

/// One end: what was sent to it and not yet read, and who waits on it.
struct End {
  std::string octets;
  bool is_ended = false;   ///< nothing more comes
  bool is_closed = false;  ///< this end was closed
  Waiter waiter;
  Direction direction = Direction::Read;
  base::TimerId timer = base::TimerId::None;
  Endpoint endpoint;
};

struct Link {
  base::Worker& worker;
  std::size_t capacity;
  std::array<End, 2> ends;

  Link(base::Worker& w, std::size_t room) : worker(w), capacity(room) {
    for (std::uint16_t i = 0; i < 2; ++i) {
      ends[i].endpoint = {boost::asio::ip::make_address("127.0.0.1"),
                          static_cast<std::uint16_t>(40'000 + i)};
    }
  }

  bool is_ready(int i, Direction direction) const {
    const End& mine = ends[i];
    const End& peer = ends[1 - i];
    if (mine.is_closed) return true;
    if (direction == Direction::Read) return !mine.octets.empty() || mine.is_ended;
    return peer.octets.size() < capacity || peer.is_closed;
  }

  void resume(int i, Result<void> result) {
    End& end = ends[i];
    if (!end.waiter) return;
    worker.clock.cancel(std::exchange(end.timer, base::TimerId::None));
    // Posted, so that nobody resumes inside another's call.
    worker.executor.post([waiter = std::move(end.waiter), result]() mutable { waiter(result); });
  }

  void look(int i) {
    if (ends[i].waiter && is_ready(i, ends[i].direction)) {
      resume(i, ends[i].is_closed ? Result<void>(Errc::Closed) : Result<void>());
    }
  }
};

base::Task<Result<void>> done(Result<void> result) {
  co_return result;
}

class MemoryStream final : public Stream {
 public:
  MemoryStream(std::shared_ptr<Link> link, int index) : link_(std::move(link)), index_(index) {}
  ~MemoryStream() override { close(); }

  Result<std::size_t> try_read(std::span<char> into) override {
    if (mine().is_closed) return Errc::Closed;
    if (mine().octets.empty()) return mine().is_ended ? Errc::EndOfStream : Errc::WouldBlock;
    const std::size_t size = std::min(into.size(), mine().octets.size());
    std::memcpy(into.data(), mine().octets.data(), size);
    mine().octets.erase(0, size);
    link_->look(1 - index_);
    return size;
  }

  Result<std::size_t> try_write(std::span<const std::string_view> pieces) override {
    if (mine().is_closed) return Errc::Closed;
    if (peer().is_closed) return Errc::Reset;
    std::size_t written = 0, offered = 0;
    for (const std::string_view piece : pieces) {
      offered += piece.size();
      const std::size_t room = link_->capacity - peer().octets.size();
      peer().octets.append(piece.substr(0, room));
      written += std::min(piece.size(), room);
    }
    if (written == 0 && offered > 0) return Errc::WouldBlock;
    link_->look(1 - index_);
    return written;
  }

  base::Task<Result<void>> wait(Direction direction, base::Steady deadline) override {
    EKIDEN_ASSERT(!mine().waiter, "one coroutine waits on a stream at a time");
    if (mine().is_closed) return done(Errc::Closed);
    if (link_->is_ready(index_, direction)) return done({});
    auto begin = [link = link_, index = index_, direction, deadline](Waiter waiter) {
      End& end = link->ends[index];
      end.waiter = std::move(waiter);
      end.direction = direction;
      if (deadline != base::kNever) {
        end.timer = link->worker.clock.call_at(
            deadline, [link = link.get(), index] { link->resume(index, Errc::TimedOut); });
      }
    };
    return base::suspend<Result<void>>(std::move(begin));
  }

  void close() override {
    if (std::exchange(mine().is_closed, true)) return;
    peer().is_ended = true;
    link_->look(0);
    link_->look(1);
  }

  void shutdown_write() override {
    peer().is_ended = true;
    link_->look(1 - index_);
  }

  bool is_open() const override { return !link_->ends[index_].is_closed; }
  const Endpoint& remote() const override { return link_->ends[1 - index_].endpoint; }
  const Endpoint& local() const override { return link_->ends[index_].endpoint; }

 private:
  End& mine() { return link_->ends[index_]; }
  End& peer() { return link_->ends[1 - index_]; }

  std::shared_ptr<Link> link_;
  int index_;
};

}  // namespace

MemoryPair make_memory_pair(base::Worker& worker, std::size_t capacity) {
  auto link = std::make_shared<Link>(worker, capacity);
  return {std::make_unique<MemoryStream>(link, 0), std::make_unique<MemoryStream>(link, 1)};
}

}  // namespace ekiden::net
