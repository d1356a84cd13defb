#pragma once

#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <functional>

#include "ekiden/base/task.hpp"

namespace ekiden::apps {

/// Signals, and what they ask for, on worker 0.
class Signals {
 public:
  Signals(base::IoContext& io, std::function<void()> stop, std::function<void()> reload)
      : set_(io, SIGTERM, SIGINT, SIGHUP), stop_(std::move(stop)), reload_(std::move(reload)) {
    wait();
  }

 private:
  void wait() {
    set_.async_wait([this](const boost::system::error_code& error, int signal) {
      if (error) return;
      if (signal == SIGHUP) {
        reload_();
      } else {
        stop_();
      }
      wait();
    });
  }
  boost::asio::signal_set set_;
  std::function<void()> stop_, reload_;
};

}  // namespace ekiden::apps
