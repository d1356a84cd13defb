#pragma once

#include <atomic>
#include <functional>
#include <utility>

#include "ekiden/base/executor.hpp"
#include "ekiden/events/sink.hpp"

namespace ekiden::events {

/// Tells, on another executor, that there are new events in the sink behind it. However fast they
/// come, one notice is on its way at most.
///
/// Sharing: `write` on the event writer's thread. It outlives `home`'s work.
class NotifyingSink final : public Sink {
 public:
  NotifyingSink(Sink& inner, base::Executor& home, std::function<void()> notice)
      : inner_(inner), home_(home), notice_(std::move(notice)) {}

  Result<void> write(const std::vector<std::string>& encoded_events) override {
    const Result<void> written = inner_.write(encoded_events);
    if (written && !is_on_its_way_.exchange(true)) {
      home_.post([this] {
        is_on_its_way_ = false;
        notice_();
      });
    }
    return written;
  }

 private:
  Sink& inner_;
  base::Executor& home_;
  std::function<void()> notice_;
  std::atomic<bool> is_on_its_way_{false};
};

}  // namespace ekiden::events
