#pragma once

#include <termios.h>

#include <chrono>
#include <csignal>
#include <optional>

namespace ekiden::cli {

/// Single keys from a terminal, while it lives: the terminal is as before afterwards, also when
/// the process is asked to end. Where standard input is none, there are no keys.
///
/// One at a time: it takes SIGINT, SIGTERM, SIGHUP and SIGWINCH.
class Keyboard {
 public:
  /// Comes as a key: Ctrl-C, or the process is asked to end.
  static constexpr char kInterrupt = '\x03';

  Keyboard();
  ~Keyboard();
  Keyboard(const Keyboard&) = delete;
  Keyboard& operator=(const Keyboard&) = delete;

  bool is_terminal() const { return is_terminal_; }
  /// The next key; nothing after so long, or when the terminal has another size.
  std::optional<char> wait(std::chrono::milliseconds time);

 private:
  static constexpr int kSignals[] = {SIGINT, SIGTERM, SIGHUP, SIGWINCH};

  bool is_terminal_ = false;
  termios before_{};
  struct sigaction were_[4] = {};
};

}  // namespace ekiden::cli
