#pragma once

#include <algorithm>
#include <memory>
#include <string>

#include "tests/simulation/world.hpp"
#include "tests/simulation/wrappers.hpp"

/// Mistakes made on purpose (faults.hpp) between the relay and the network, the DNS, and TLS.
namespace ekiden::simulation {

/// Where a fault strikes only sometimes: once in so many.
inline constexpr std::uint64_t kOneIn = 10;

inline bool strikes(World& world) {
  return world.random().below(kOneIn) == 0;
}

/// Who connects to the one listener speaks to the other.
class CrossedNetwork final : public net::Network {
 public:
  explicit CrossedNetwork(net::Network& behind) : behind_(behind) {}
  base::Task<Result<std::unique_ptr<net::Stream>>> connect(net::Endpoint to,
                                                           net::ConnectOptions options,
                                                           base::Steady deadline) override {
    return behind_.connect(to, options, deadline);
  }
  Result<std::unique_ptr<net::Listener>> listen(
      net::Endpoint on, net::ListenOptions options,
      base::Function<void(std::unique_ptr<net::Stream>)> accepted) override {
    if (on.port == 25 || on.port == 26) on.port = static_cast<std::uint16_t>(51 - on.port);
    return behind_.listen(on, options, std::move(accepted));
  }

 private:
  net::Network& behind_;
};

/// Now and then the answer is that to the question before.
class MuddledResolver final : public dns::Resolver {
 public:
  MuddledResolver(dns::Resolver& behind, World& world) : behind_(behind), world_(world) {}
  void resolve(std::string name, dns::Type type, base::Completion<dns::Answer> done) override {
    if (type != dns::Type::MX) {
      behind_.resolve(std::move(name), type, std::move(done));
      return;
    }
    if (!last_.empty() && strikes(world_)) std::swap(name, last_);
    last_ = name;
    behind_.resolve(std::move(name), type, std::move(done));
  }

 private:
  dns::Resolver& behind_;
  World& world_;
  std::string last_;
};

/// Its reader never sees the word.
class DeafStream final : public net::Stream {
 public:
  explicit DeafStream(std::unique_ptr<net::Stream> behind) : behind_(std::move(behind)) {}
  Result<std::size_t> try_read(std::span<char> into) override {
    const Result<std::size_t> read = behind_->try_read(into);
    constexpr std::string_view kWord = " REQUIRETLS";
    if (!read) return read;
    const std::size_t at = std::string_view(into.data(), *read).find(kWord);
    if (at != std::string_view::npos) std::fill_n(into.data() + at, kWord.size(), ' ');
    return read;
  }
  Result<std::size_t> try_write(std::span<const std::string_view> pieces) override {
    return behind_->try_write(pieces);
  }
  base::Task<Result<void>> wait(net::Direction direction, base::Steady deadline) override {
    return behind_->wait(direction, deadline);
  }
  void close() override { behind_->close(); }
  void shutdown_write() override { behind_->shutdown_write(); }
  bool is_open() const override { return behind_->is_open(); }
  const net::Endpoint& remote() const override { return behind_->remote(); }
  const net::Endpoint& local() const override { return behind_->local(); }
  const net::TlsInfo* tls() const override { return behind_->tls(); }
  std::optional<std::string> channel_binding(std::string_view type) const override {
    return behind_->channel_binding(type);
  }

 private:
  std::unique_ptr<net::Stream> behind_;
};

class DeafLayer final : public inbound::Layer {
 public:
  explicit DeafLayer(inbound::Layer& behind) : behind_(behind) {}
  base::Task<Result<std::unique_ptr<net::Stream>>> wrap(std::unique_ptr<net::Stream> stream,
                                                        base::Steady deadline) override {
    Result<std::unique_ptr<net::Stream>> wrapped =
        co_await behind_.wrap(std::move(stream), deadline);
    if (!wrapped) co_return wrapped.error();
    std::unique_ptr<net::Stream> deaf = std::make_unique<DeafStream>(std::move(*wrapped));
    co_return deaf;
  }

 private:
  inbound::Layer& behind_;
};

}  // namespace ekiden::simulation
