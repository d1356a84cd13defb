#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

namespace ekiden::base::log {

/// Writes lines to a descriptor from a thread of its own, many with one write.
///
/// The thread sleeps until a line comes, then a few milliseconds more, so that a busy relay wakes
/// it two hundred times a second and not for each message.
///
/// Sharing: any thread may add.
class LineWriter {
 public:
  /// Octets that wait; past them new lines are dropped and counted, because a worker never waits
  /// for whoever reads the log.
  static constexpr std::size_t kWaitingMax = 2 << 20;

  /// `word_loss` makes the line that is written in the place of so many dropped ones; it runs on
  /// the writer's thread.
  LineWriter(int descriptor, std::function<std::string(std::uint64_t)> word_loss);
  /// Writes what waits, then ends.
  ~LineWriter();
  LineWriter(const LineWriter&) = delete;
  LineWriter& operator=(const LineWriter&) = delete;

  /// `line` ends with a newline. One that is urgent is not held back.
  void add(std::string_view line, bool is_urgent);

 private:
  void run();
  void write(std::string_view octets) const;

  const int descriptor_;
  const std::function<std::string(std::uint64_t)> word_loss_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::string waiting_;
  std::uint64_t dropped_ = 0;
  bool is_urgent_ = false;
  bool is_ending_ = false;
  std::thread thread_;
};

}  // namespace ekiden::base::log
