#include "ekiden/base/line_writer.hpp"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <utility>

namespace ekiden::base::log {
namespace {

/// How long the first of some lines waits for others.
constexpr auto kCompany = std::chrono::milliseconds(5);
/// Enough for one write: no more waiting.
constexpr std::size_t kEnough = 64 << 10;

}  // namespace

LineWriter::LineWriter(int descriptor, std::function<std::string(std::uint64_t)> word_loss)
    : descriptor_(descriptor), word_loss_(std::move(word_loss)), thread_([this] { run(); }) {}

LineWriter::~LineWriter() {
  {
    const std::lock_guard lock(mutex_);
    is_ending_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void LineWriter::add(std::string_view line, bool is_urgent) {
  {
    const std::lock_guard lock(mutex_);
    if (waiting_.size() + line.size() > kWaitingMax) {
      ++dropped_;
      return;
    }
    const bool was_empty = waiting_.empty();
    const bool was_enough = waiting_.size() >= kEnough || is_urgent_;
    waiting_ += line;
    is_urgent_ = is_urgent_ || is_urgent;
    const bool is_enough = waiting_.size() >= kEnough || is_urgent_;
    if (!was_empty && (was_enough || !is_enough)) return;
  }
  wake_.notify_one();
}

void LineWriter::run() {
  const auto is_due = [this] { return is_ending_ || is_urgent_ || waiting_.size() >= kEnough; };
  std::string writing;
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return is_ending_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    wake_.wait_for(lock, kCompany, is_due);
    is_urgent_ = false;
    writing.swap(waiting_);
    const std::uint64_t dropped = std::exchange(dropped_, 0);
    lock.unlock();
    write(writing);
    if (dropped != 0) write(word_loss_(dropped));
    writing.clear();
    lock.lock();
  }
}

/// What cannot be written is gone: nobody else could be told.
void LineWriter::write(std::string_view octets) const {
  while (!octets.empty()) {
    const ssize_t written = ::write(descriptor_, octets.data(), octets.size());
    if (written > 0) {
      octets.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno == EAGAIN) {  // somebody shares the descriptor and wants it so
      pollfd ready{descriptor_, POLLOUT, 0};
      ::poll(&ready, 1, 1000);
    } else if (errno != EINTR) {
      return;
    }
  }
}

}  // namespace ekiden::base::log
