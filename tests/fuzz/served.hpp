#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "ekiden/base/event_loop.hpp"
#include "ekiden/base/random.hpp"
#include "ekiden/base/worker.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/support/fake_clock.hpp"
#include "tests/support/fake_stream.hpp"

namespace ekiden::fuzz {

/// What a server says to a client that sends `octets`, cut as `split` says, and then no more.
/// `make` gives the server, by its worker and its clock; it has to stop and to end the connection.
/// Octets go on while `wants_more` says so of the client's end.
template <class Make, class WantsMore>
std::string served(std::string_view octets, std::uint8_t split, Make make, WantsMore wants_more) {
  base::EventLoop loop;
  test::FakeClock clock;
  base::SeededRandom random(1);
  base::Worker worker{0, loop.io().get_executor(), loop.executor(), clock, random};
  const auto settle = [&loop] {
    while (loop.io().poll() > 0) {
    }
    loop.io().restart();
  };
  auto peer = std::make_shared<test::FakePeer>();
  {
    const auto server = make(worker, clock);
    server->serve(std::make_unique<test::FakeStream>(worker, peer));
    settle();
    cut(octets, split, [&](std::string_view piece) {
      peer->send(piece);
      settle();
      return wants_more(*peer);
    });
    peer->end();
    settle();
    bool is_stopped = false;
    server->stop([&is_stopped] { is_stopped = true; });
    settle();
    clock.advance(std::chrono::hours(1));
    settle();
    FUZZ_CHECK(is_stopped, "a server stops");
  }
  FUZZ_CHECK(peer->is_closed, "a connection ends");
  return peer->received;
}

}  // namespace ekiden::fuzz
