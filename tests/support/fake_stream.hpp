#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "ekiden/base/worker.hpp"
#include "ekiden/net/stream.hpp"

namespace ekiden::test {

/// One connection in memory, seen from the peer's side: what it sends, what it got.
///
/// Sharing: one thread; the FakeStream that is its other end keeps it alive.
struct FakePeer {
  std::string to_us;  ///< sent, and not yet read by the stream from `read_at` on
  std::size_t read_at = 0;
  std::string received;    ///< everything the stream wrote
  bool has_ended = false;  ///< the peer sent its FIN: EndOfStream once to_us is read
  bool is_reset = false;   ///< reads and writes fail with Reset
  bool is_closed = false;  ///< the stream was closed
  bool has_shut_down = false;
  std::size_t room = SIZE_MAX;      ///< octets that may still be written before WouldBlock
  std::size_t read_max = SIZE_MAX;  ///< octets one read gives at most
  net::Endpoint remote, local;
  std::optional<net::TlsInfo> tls;

  bool has_octets() const { return read_at < to_us.size(); }
  void send(std::string_view octets) {
    to_us += octets;
    wake();
  }
  void end() {
    has_ended = true;
    wake();
  }
  void reset() {
    is_reset = true;
    wake();
  }
  void wake() {
    if (waiter) std::exchange(waiter, {})(Result<void>());
  }
  base::Completion<Result<void>> waiter;  ///< posts itself
};

/// A net::Stream over a FakePeer. Deadlines are those of the worker's clock.
class FakeStream final : public net::Stream {
 public:
  FakeStream(base::Worker& worker, std::shared_ptr<FakePeer> peer)
      : worker_(worker), peer_(std::move(peer)) {}
  ~FakeStream() override { close(); }

  Result<std::size_t> try_read(std::span<char> into) override {
    if (peer_->is_closed) return net::Errc::Closed;
    if (peer_->is_reset) return net::Errc::Reset;
    if (!peer_->has_octets()) {
      return peer_->has_ended ? net::Errc::EndOfStream : net::Errc::WouldBlock;
    }
    const std::string_view waiting = std::string_view(peer_->to_us).substr(peer_->read_at);
    const std::size_t count = std::min({into.size(), waiting.size(), peer_->read_max});
    std::copy_n(waiting.begin(), count, into.begin());
    peer_->read_at += count;
    if (!peer_->has_octets()) {
      peer_->to_us.clear();
      peer_->read_at = 0;
    }
    return count;
  }

  Result<std::size_t> try_write(std::span<const std::string_view> pieces) override {
    if (peer_->is_closed) return net::Errc::Closed;
    if (peer_->is_reset) return net::Errc::Reset;
    std::size_t count = 0;
    for (const std::string_view piece : pieces) {
      const std::string_view part = piece.substr(0, peer_->room);
      peer_->received += part;
      peer_->room -= peer_->room == SIZE_MAX ? 0 : part.size();
      count += part.size();
    }
    if (count == 0) return net::Errc::WouldBlock;
    return count;
  }

  base::Task<Result<void>> wait(net::Direction direction, base::Steady deadline) override {
    if (peer_->is_closed) co_return net::Errc::Closed;
    const bool is_ready = direction == net::Direction::Read
                              ? peer_->has_octets() || peer_->has_ended || peer_->is_reset
                              : peer_->room != 0 || peer_->is_reset;
    if (is_ready) co_return Result<void>();
    auto begin = [&](base::Completion<Result<void>> done) {
      auto shared = std::make_shared<base::Completion<Result<void>>>(std::move(done));
      peer_->waiter = [this, shared](Result<void> result) {
        if (timer_ != base::TimerId::None) worker_.clock.cancel(timer_);
        timer_ = base::TimerId::None;
        worker_.executor.post([shared, result] { (*shared)(result); });
      };
      if (deadline != base::kNever) {
        timer_ = worker_.clock.call_at(deadline, [this] {
          timer_ = base::TimerId::None;
          if (peer_->waiter) std::exchange(peer_->waiter, {})(net::Errc::TimedOut);
        });
      }
    };
    co_return co_await base::suspend<Result<void>>(std::move(begin));
  }

  void close() override {
    if (peer_->is_closed) return;
    peer_->is_closed = true;
    if (peer_->waiter) std::exchange(peer_->waiter, {})(net::Errc::Closed);
  }
  void shutdown_write() override { peer_->has_shut_down = true; }
  bool is_open() const override { return !peer_->is_closed; }
  const net::Endpoint& remote() const override { return peer_->remote; }
  const net::Endpoint& local() const override { return peer_->local; }
  const net::TlsInfo* tls() const override { return peer_->tls ? &*peer_->tls : nullptr; }

 private:
  base::Worker& worker_;
  std::shared_ptr<FakePeer> peer_;
  base::TimerId timer_ = base::TimerId::None;
};

}  // namespace ekiden::test
