#include "tests/simulation/network.hpp"

#include <algorithm>
#include <deque>
#include <utility>

namespace ekiden::simulation {
namespace {

/// Octets that one direction holds before its writer must wait.
constexpr std::size_t kWindow = 64 * 1024;
/// A broken connection ends at one of its first writes, both ends' counted.
constexpr std::uint64_t kBreaksAtMost = 24;

enum class Break : std::uint8_t { Reset, Closed, Silent };

}  // namespace

/// What the two ends share. Each direction keeps order; a piece arrives when its time comes.
struct Pipe {
  World& world;
  SimulatedInternet& internet;
  struct End {
    std::string arrived;
    std::size_t taken = 0;  ///< octets of `arrived` that were read
    std::uint64_t expected = 0, read = 0;
    std::deque<std::pair<std::uint64_t, std::function<void()>>> marks;
    std::size_t in_flight = 0;
    std::size_t lost = 0;  ///< written after the connection fell silent
    base::Steady last_arrival{};
    bool is_finished = false;  ///< the other end wrote its last
    bool is_reset = false;
    bool is_closed = false;
    base::Completion<bool> reader, writer;
  };
  End ends[2];
  SimulatedInternet::Count* count = nullptr;
  SimulatedInternet::Count* onward = nullptr;  ///< of where a proxy handed it on to
  std::uint64_t breaks_after = 0;              ///< writes; 0: never
  Break how = Break::Reset;
  bool is_silent = false;

  std::size_t held(int at) const {
    return ends[at].arrived.size() - ends[at].taken + ends[at].in_flight + ends[at].lost;
  }

  void wake_reader(int at) {
    if (ends[at].reader)
      world.after({}, [done = std::exchange(ends[at].reader, {})]() mutable { done(true); });
  }
  void wake_writer(int at) {
    if (ends[at].writer)
      world.after({}, [done = std::exchange(ends[at].writer, {})]() mutable { done(true); });
  }
};

namespace {

class SimulatedStream final : public net::Stream {
 public:
  SimulatedStream(std::shared_ptr<Pipe> pipe, int side, net::Endpoint local, net::Endpoint remote)
      : pipe_(std::move(pipe)), side_(side), local_(local), remote_(remote) {}
  ~SimulatedStream() override {
    if (!is_handed_on_) close();
  }

  Result<std::size_t> try_read(std::span<char> into) override {
    Pipe::End& mine = pipe_->ends[side_];
    if (mine.is_closed) return net::Errc::Closed;
    if (mine.taken < mine.arrived.size()) {
      const std::size_t n = std::min(into.size(), mine.arrived.size() - mine.taken);
      std::copy_n(mine.arrived.data() + mine.taken, n, into.data());
      mine.taken += n;
      if (mine.taken == mine.arrived.size()) mine.arrived.clear(), mine.taken = 0;
      mine.read += n;
      while (!mine.marks.empty() && mine.marks.front().first <= mine.read) {
        const std::function<void()> seen = std::move(mine.marks.front().second);
        mine.marks.pop_front();
        seen();
      }
      pipe_->wake_writer(1 - side_);
      return n;
    }
    if (mine.is_reset) return net::Errc::Reset;
    if (mine.is_finished && mine.in_flight == 0) return net::Errc::EndOfStream;
    return net::Errc::WouldBlock;
  }

  Result<std::size_t> try_write(std::span<const std::string_view> pieces) override {
    Pipe::End& mine = pipe_->ends[side_];
    Pipe::End& theirs = pipe_->ends[1 - side_];
    if (mine.is_closed) return net::Errc::Closed;
    if (mine.is_reset || theirs.is_closed) return net::Errc::Reset;
    const std::size_t held = pipe_->held(1 - side_);
    if (held >= kWindow) return net::Errc::WouldBlock;
    std::string octets;
    for (const std::string_view piece : pieces) octets.append(piece);
    octets.resize(std::min(octets.size(), kWindow - held));
    if (octets.empty()) return std::size_t{0};
    const Weather& weather = pipe_->internet.weather;
    if (pipe_->world.random().below(1000) < weather.reset) {
      reset();
      return net::Errc::Reset;
    }
    const std::size_t taken = octets.size();
    const bool ends_here = pipe_->breaks_after > 0 && --pipe_->breaks_after == 0;
    if (ends_here) {
      octets.resize(pipe_->world.random().below(octets.size() + 1));
      // What is cut off is never read.
      theirs.expected += taken - octets.size();
    }
    while (!octets.empty()) {
      std::size_t n = octets.size();
      if (n > 1 && pipe_->world.random().below(1000) < weather.split)
        n = 1 + pipe_->world.random().below(n);
      send(octets.substr(0, n));
      octets.erase(0, n);
    }
    if (ends_here) break_off();
    return taken;
  }

  void mark(std::function<void()> seen) {
    Pipe::End& theirs = pipe_->ends[1 - side_];
    if (theirs.read >= theirs.expected) {
      seen();
    } else {
      theirs.marks.emplace_back(theirs.expected, std::move(seen));
    }
  }

  base::Task<Result<void>> wait(net::Direction direction, base::Steady deadline) override {
    Pipe::End& mine = pipe_->ends[side_];
    if (mine.is_closed) co_return net::Errc::Closed;
    const bool is_read = direction == net::Direction::Read;
    if (is_read && can_read()) co_return Result<void>();
    if (!is_read && can_write()) co_return Result<void>();
    const std::shared_ptr<Pipe> pipe = pipe_;
    const int side = side_;
    std::uint64_t timer = 0;
    auto begin = [&](base::Completion<bool> done) {
      (is_read ? mine.reader : mine.writer) = std::move(done);
      if (deadline == base::kNever) return;
      timer = pipe->world.at(deadline, [pipe, side, is_read] {
        Pipe::End& end = pipe->ends[side];
        base::Completion<bool>& waiting = is_read ? end.reader : end.writer;
        if (waiting) std::exchange(waiting, {})(false);
      });
    };
    const bool is_awake = co_await base::suspend<bool>(std::move(begin));
    if (timer != 0) pipe->world.cancel(timer);
    if (pipe->ends[side].is_closed) co_return net::Errc::Closed;
    if (!is_awake) co_return net::Errc::TimedOut;
    co_return Result<void>();
  }

  void close() override {
    Pipe::End& mine = pipe_->ends[side_];
    if (mine.is_closed) return;
    shutdown_write();
    mine.is_closed = true;
    if (side_ == 0 && pipe_->count != nullptr) --pipe_->count->now;
    if (side_ == 0 && pipe_->onward != nullptr) --pipe_->onward->now;
    pipe_->wake_reader(side_);
    pipe_->wake_writer(side_);
    pipe_->wake_writer(1 - side_);
  }

  void shutdown_write() override {
    if (pipe_->is_silent) return;
    pipe_->world.at(arrival(), [pipe = pipe_, to = 1 - side_] {
      pipe->ends[to].is_finished = true;
      pipe->wake_reader(to);
    });
  }

  void reset() { reset(*pipe_); }

  /// The same end, as another object: this one is over, and closes nothing.
  std::unique_ptr<SimulatedStream> hand_on(net::Endpoint local, net::Endpoint remote) {
    auto next = std::make_unique<SimulatedStream>(pipe_, side_, local, remote);
    is_handed_on_ = true;
    return next;
  }
  Pipe& pipe() { return *pipe_; }

  bool is_open() const override { return !pipe_->ends[side_].is_closed; }
  const net::Endpoint& remote() const override { return remote_; }
  const net::Endpoint& local() const override { return local_; }

 private:
  bool can_read() const {
    const Pipe::End& mine = pipe_->ends[side_];
    return mine.taken < mine.arrived.size() || mine.is_reset ||
           (mine.is_finished && mine.in_flight == 0);
  }
  bool can_write() const {
    const Pipe::End& theirs = pipe_->ends[1 - side_];
    return pipe_->held(1 - side_) < kWindow || theirs.is_closed || pipe_->ends[side_].is_reset;
  }
  base::Steady arrival() {
    Pipe::End& theirs = pipe_->ends[1 - side_];
    const auto latency = pipe_->world.random().below(
        static_cast<std::uint64_t>(pipe_->internet.weather.latency_max.count()) + 1);
    theirs.last_arrival =
        std::max(theirs.last_arrival,
                 pipe_->world.steady() + base::Duration(static_cast<std::int64_t>(latency)));
    return theirs.last_arrival;
  }
  void send(std::string octets) {
    Pipe::End& theirs = pipe_->ends[1 - side_];
    theirs.expected += octets.size();
    (pipe_->is_silent ? theirs.lost : theirs.in_flight) += octets.size();
    if (pipe_->is_silent) return;
    const base::Steady when = arrival();
    pipe_->world.at(when, [pipe = pipe_, to = 1 - side_, octets = std::move(octets)] {
      Pipe::End& end = pipe->ends[to];
      end.in_flight -= octets.size();
      if (!end.is_reset && !end.is_closed) end.arrived += octets;
      pipe->wake_reader(to);
    });
  }
  void break_off() {
    switch (pipe_->how) {
      case Break::Reset:
        pipe_->world.at(arrival(), [pipe = pipe_] { reset(*pipe); });
        break;
      case Break::Closed:
        for (int at : {0, 1}) {
          pipe_->world.at(pipe_->ends[at].last_arrival, [pipe = pipe_, at] {
            pipe->ends[at].is_finished = true;
            pipe->wake_reader(at);
          });
        }
        [[fallthrough]];
      case Break::Silent:
        pipe_->is_silent = true;
        break;
    }
  }
  static void reset(Pipe& pipe) {
    for (int at : {0, 1}) {
      pipe.ends[at].is_reset = true;
      pipe.ends[at].arrived.clear();
      pipe.ends[at].taken = 0;
      pipe.wake_reader(at);
      pipe.wake_writer(at);
    }
  }

  std::shared_ptr<Pipe> pipe_;
  int side_;
  net::Endpoint local_, remote_;
  bool is_handed_on_ = false;
};

}  // namespace

std::unique_ptr<net::Stream> SimulatedInternet::dial(net::Endpoint from, net::Endpoint to) {
  auto place = places.find(to);
  if (place == places.end() || place->second.accept.empty()) return nullptr;
  auto pipe = std::make_shared<Pipe>(Pipe{world_, *this, {}});
  pipe->count = &open[to];
  pipe->count->most = std::max(pipe->count->most, ++pipe->count->now);
  if (world_.random().below(1000) < weather.broken) {
    pipe->breaks_after = 1 + world_.random().below(kBreaksAtMost);
    pipe->how = static_cast<Break>(world_.random().below(3));
  }
  std::erase_if(pipes_, [](const auto& known) { return known.expired(); });
  pipes_.push_back(pipe);
  auto server = std::make_unique<SimulatedStream>(pipe, 1, to, from);
  std::vector<std::function<void(std::unique_ptr<net::Stream>)>*>& accept = place->second.accept;
  (*accept[place->second.next++ % accept.size()])(std::move(server));
  return std::make_unique<SimulatedStream>(pipe, 0, from, to);
}

bool SimulatedInternet::hand_on(std::unique_ptr<net::Stream> stream, net::Endpoint from,
                                net::Endpoint to) {
  const auto place = places.find(to);
  if (place == places.end() || place->second.accept.empty()) return false;
  // Whoever accepts from the simulated internet has such a stream.
  auto& accepted = static_cast<SimulatedStream&>(*stream);
  Pipe& pipe = accepted.pipe();
  // The dialling end may have closed while the proxy was asked.
  if (!pipe.ends[0].is_closed) {
    pipe.onward = &open[to];
    pipe.onward->most = std::max(pipe.onward->most, ++pipe.onward->now);
  }
  std::unique_ptr<net::Stream> onward = accepted.hand_on(to, from);
  std::vector<std::function<void(std::unique_ptr<net::Stream>)>*>& accept = place->second.accept;
  (*accept[place->second.next++ % accept.size()])(std::move(onward));
  return true;
}

unsigned SimulatedInternet::open_to(const net::Endpoint& to) const {
  const auto found = open.find(to);
  return found == open.end() ? 0 : found->second.now;
}

unsigned SimulatedInternet::take_most_open_to(const net::Endpoint& to) {
  Count& count = open[to];
  return std::exchange(count.most, count.now);
}

void when_read(net::Stream& stream, std::function<void()> seen) {
  // Whoever accepts from the simulated internet has such a stream.
  static_cast<SimulatedStream&>(stream).mark(std::move(seen));
}

void reset(net::Stream& stream) {
  static_cast<SimulatedStream&>(stream).reset();
}

void SimulatedInternet::drop_waiting() {
  for (const std::weak_ptr<Pipe>& known : std::exchange(pipes_, {})) {
    const std::shared_ptr<Pipe> pipe = known.lock();
    if (!pipe) continue;
    for (Pipe::End& end : pipe->ends) {
      // Moved out first: the coroutine that dies with it closes its stream.
      const base::Completion<bool> reader = std::exchange(end.reader, {});
      const base::Completion<bool> writer = std::exchange(end.writer, {});
    }
  }
}

base::Task<Result<std::unique_ptr<net::Stream>>> SimulatedNetwork::connect(
    net::Endpoint to, net::ConnectOptions options, base::Steady deadline) {
  World& world = internet_.world();
  const bool is_lost = world.random().below(1000) < internet_.weather.connect_lost;
  const bool is_refused = world.random().below(1000) < internet_.weather.connect_refused;
  const auto latency = base::Duration(static_cast<std::int64_t>(
      world.random().below(static_cast<std::uint64_t>(internet_.weather.latency_max.count()) + 1)));
  const base::Steady when = is_lost ? deadline : std::min(deadline, world.steady() + latency);
  auto begin = [&world, when](base::Completion<bool> done) {
    world.at(when, [done = std::move(done)]() mutable { done(true); });
  };
  (void)co_await base::suspend<bool>(std::move(begin));
  if (options.source && options.source == internet_.missing)
    co_return net::Errc::AddressUnavailable;
  if (is_lost) co_return net::Errc::TimedOut;
  if (is_refused) co_return net::Errc::Refused;
  const net::Endpoint from{options.source.value_or(address_), next_port_++};
  std::unique_ptr<net::Stream> stream = internet_.dial(from, to);
  if (!stream) co_return net::Errc::Refused;
  co_return stream;
}

namespace {

class SimulatedListener final : public net::Listener {
 public:
  using Accept = std::function<void(std::unique_ptr<net::Stream>)>;
  SimulatedListener(SimulatedInternet& internet, net::Endpoint on,
                    base::Function<void(std::unique_ptr<net::Stream>)> accepted)
      : internet_(internet),
        on_(on),
        accepted_(std::make_shared<base::Function<void(std::unique_ptr<net::Stream>)>>(
            std::move(accepted))),
        accept_([held = accepted_](std::unique_ptr<net::Stream> s) { (*held)(std::move(s)); }) {
    resume();
  }
  ~SimulatedListener() override { pause(); }
  const net::Endpoint& local() const override { return on_; }
  void pause() override { std::erase(internet_.places[on_].accept, &accept_); }
  void resume() override { internet_.places[on_].accept.push_back(&accept_); }

 private:
  SimulatedInternet& internet_;
  net::Endpoint on_;
  std::shared_ptr<base::Function<void(std::unique_ptr<net::Stream>)>> accepted_;
  Accept accept_;
};

}  // namespace

Result<std::unique_ptr<net::Listener>> SimulatedNetwork::listen(
    net::Endpoint on, net::ListenOptions,
    base::Function<void(std::unique_ptr<net::Stream>)> accepted) {
  std::unique_ptr<net::Listener> listener =
      std::make_unique<SimulatedListener>(internet_, on, std::move(accepted));
  return listener;
}

}  // namespace ekiden::simulation
