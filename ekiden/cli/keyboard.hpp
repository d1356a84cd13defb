#pragma once

#include <termios.h>

#include <optional>

namespace ekiden::cli {

/// Single keys from a terminal, while it lives: the terminal is as before afterwards. Where
/// standard input is none, there are no keys.
class Keyboard {
 public:
  Keyboard();
  ~Keyboard();
  Keyboard(const Keyboard&) = delete;
  Keyboard& operator=(const Keyboard&) = delete;

  /// The next key, or nothing after so many seconds.
  std::optional<char> wait(unsigned seconds);

 private:
  bool is_terminal_ = false;
  termios before_{};
};

}  // namespace ekiden::cli
