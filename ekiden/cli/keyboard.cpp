#include "ekiden/cli/keyboard.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

namespace ekiden::cli {
namespace {

volatile std::sig_atomic_t is_asked_to_end = 0;

void take(int signal) {
  // SIGWINCH only has to interrupt the wait.
  if (signal != SIGWINCH) is_asked_to_end = 1;
}

}  // namespace

Keyboard::Keyboard() {
  is_asked_to_end = 0;
  struct sigaction taken {};
  taken.sa_handler = take;
  for (std::size_t i = 0; i < std::size(kSignals); ++i) ::sigaction(kSignals[i], &taken, &were_[i]);
  if (::isatty(STDIN_FILENO) == 0 || ::tcgetattr(STDIN_FILENO, &before_) != 0) return;
  termios raw = before_;
  // Ctrl-C comes as a key, so that the terminal is put back before the end.
  raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO | ISIG);
  raw.c_cc[VMIN] = 1;
  raw.c_cc[VTIME] = 0;
  is_terminal_ = ::tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

Keyboard::~Keyboard() {
  if (is_terminal_) ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
  for (std::size_t i = 0; i < std::size(kSignals); ++i)
    ::sigaction(kSignals[i], &were_[i], nullptr);
}

std::optional<char> Keyboard::wait(std::chrono::milliseconds time) {
  if (is_asked_to_end != 0) return kInterrupt;
  pollfd waiting{STDIN_FILENO, POLLIN, 0};
  const int milliseconds = static_cast<int>(std::clamp<std::int64_t>(time.count(), 0, INT_MAX));
  const int ready = ::poll(&waiting, is_terminal_ ? 1 : 0, milliseconds);
  if (is_asked_to_end != 0) return kInterrupt;
  if (ready <= 0) return std::nullopt;
  char key = 0;
  if (::read(STDIN_FILENO, &key, 1) == 1) return key;
  if (errno == EINTR) return std::nullopt;
  // The terminal is gone, and with it whoever looked.
  is_terminal_ = false;
  return kInterrupt;
}

}  // namespace ekiden::cli
