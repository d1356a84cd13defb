#include "ekiden/cli/keyboard.hpp"

#include <poll.h>
#include <unistd.h>

#include <chrono>
#include <thread>

namespace ekiden::cli {

Keyboard::Keyboard() {
  if (::isatty(STDIN_FILENO) == 0 || ::tcgetattr(STDIN_FILENO, &before_) != 0) return;
  termios raw = before_;
  raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
  raw.c_cc[VMIN] = 1;
  raw.c_cc[VTIME] = 0;
  is_terminal_ = ::tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

Keyboard::~Keyboard() {
  if (is_terminal_) ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
}

std::optional<char> Keyboard::wait(unsigned seconds) {
  if (!is_terminal_) {
    std::this_thread::sleep_for(std::chrono::seconds(seconds));
    return std::nullopt;
  }
  pollfd waiting{STDIN_FILENO, POLLIN, 0};
  if (::poll(&waiting, 1, static_cast<int>(seconds * 1000)) <= 0) return std::nullopt;
  char key = 0;
  if (::read(STDIN_FILENO, &key, 1) == 1) return key;
  // The terminal is gone: nobody presses a key any more.
  is_terminal_ = false;
  return std::nullopt;
}

}  // namespace ekiden::cli
