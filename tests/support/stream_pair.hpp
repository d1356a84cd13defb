#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "ekiden/base/worker.hpp"
#include "ekiden/net/stream.hpp"

namespace ekiden::test {

/// One direction of a connection in memory.
struct Pipe {
  std::string octets;
  bool is_ended = false;       ///< the writer has closed
  bool is_broken = false;      ///< both ends see Reset
  std::size_t room = 1 << 20;  ///< octets that may wait unread
  base::Function<void()> on_change;
};

/// One end of a connection in memory, on a worker with any clock. The other end is whoever holds
/// the pipes.
class MemoryStream final : public net::Stream {
 public:
  MemoryStream(base::Worker& worker, std::shared_ptr<Pipe> in, std::shared_ptr<Pipe> out,
               net::Endpoint remote)
      : state_(std::make_shared<State>(worker)),
        in_(std::move(in)),
        out_(std::move(out)),
        remote_(std::move(remote)) {
    in_->on_change = [state = std::weak_ptr<State>(state_)] {
      if (const auto alive = state.lock()) alive->ring(Result<void>());
    };
  }
  ~MemoryStream() override { close(); }

  Result<std::size_t> try_read(std::span<char> into) override {
    if (is_closed_) return net::Errc::Closed;
    if (in_->octets.empty()) {
      if (in_->is_broken) return net::Errc::Reset;
      if (in_->is_ended) return net::Errc::EndOfStream;
      return net::Errc::WouldBlock;
    }
    const std::size_t size = std::min({into.size(), in_->octets.size(), read_max});
    std::copy_n(in_->octets.begin(), size, into.begin());
    in_->octets.erase(0, size);
    return size;
  }

  Result<std::size_t> try_write(std::span<const std::string_view> pieces) override {
    ++writes;
    if (is_closed_) return net::Errc::Closed;
    if (out_->is_broken) return net::Errc::Reset;
    std::size_t written = 0;
    for (const std::string_view piece : pieces) {
      const std::size_t size = std::min(piece.size(), out_->room - out_->octets.size());
      out_->octets.append(piece.substr(0, size));
      written += size;
      if (size < piece.size()) break;
    }
    if (out_->on_change) out_->on_change();
    if (written == 0) return net::Errc::WouldBlock;
    return written;
  }

  base::Task<Result<void>> wait(net::Direction direction, base::Steady deadline) override {
    auto begin = [&](base::Completion<Result<void>> done) {
      state_->done = std::move(done);
      const bool is_ready =
          is_closed_ || (direction == net::Direction::Read
                             ? !in_->octets.empty() || in_->is_ended || in_->is_broken
                             : out_->is_broken || out_->octets.size() < out_->room);
      if (is_ready) {
        state_->ring(is_closed_ ? Result<void>(net::Errc::Closed) : Result<void>());
      } else {
        state_->timer = state_->worker.clock.call_at(deadline, [state = state_] {
          state->timer = base::TimerId::None;
          state->ring(net::Errc::TimedOut);
        });
      }
    };
    co_return co_await base::suspend<Result<void>>(std::move(begin));
  }

  void close() override {
    if (std::exchange(is_closed_, true)) return;
    out_->is_ended = true;
    in_->on_change = nullptr;
    state_->ring(net::Errc::Closed);
    if (out_->on_change) out_->on_change();
  }
  void shutdown_write() override {}
  bool is_open() const override { return !is_closed_; }
  const net::Endpoint& remote() const override { return remote_; }
  const net::Endpoint& local() const override { return local_; }
  const net::TlsInfo* tls() const override { return tls_info ? &*tls_info : nullptr; }

  std::optional<net::TlsInfo> tls_info;
  std::size_t read_max = 1 << 20;  ///< octets that one read gives at most
  std::size_t writes = 0;

 private:
  struct State {
    explicit State(base::Worker& home) : worker(home) {}
    base::Worker& worker;
    base::Completion<Result<void>> done;
    base::TimerId timer = base::TimerId::None;

    void ring(Result<void> result) {
      if (!done) return;
      if (timer != base::TimerId::None) {
        worker.clock.cancel(std::exchange(timer, base::TimerId::None));
      }
      worker.executor.post(
          [resume = std::exchange(done, {}), result]() mutable { resume(result); });
    }
  };

  std::shared_ptr<State> state_;
  std::shared_ptr<Pipe> in_, out_;
  net::Endpoint remote_, local_;
  bool is_closed_ = false;
};

}  // namespace ekiden::test
