#pragma once

#include <concepts>
#include <initializer_list>
#include <string>
#include <string_view>

namespace ekiden::base::log {

/// One key and its value, as text or number.
struct Field {
  std::string_view key;
  std::string value;
  bool is_number = false;

  Field(std::string_view k, std::string_view v) : key(k), value(v) {}
  Field(std::string_view k, const char* v) : key(k), value(v) {}
  Field(std::string_view k, std::integral auto v)
      : key(k), value(std::to_string(v)), is_number(true) {}
};

enum class Level { Debug, Info, Warning, Error };
enum class Format { Logfmt, Json };

/// Starts the asynchronous writer to standard error. Before it, lines are written at once.
/// When the writer cannot keep up new lines are dropped, and a line `log_lines_dropped` says how
/// many, because a worker never waits for whoever reads the log. A line is written within a few
/// milliseconds; warnings and errors at once.
void start(Level level, Format format);
void stop();
bool is_enabled(Level level);

/// Writes one line: time, level, the event's name, key=value pairs. Values are escaped; a line
/// stays one line whatever a peer sent.
void write(Level level, std::string_view event, std::initializer_list<Field> fields);

inline void debug(std::string_view event, std::initializer_list<Field> fields = {}) {
  write(Level::Debug, event, fields);
}
inline void info(std::string_view event, std::initializer_list<Field> fields = {}) {
  write(Level::Info, event, fields);
}
inline void warning(std::string_view event, std::initializer_list<Field> fields = {}) {
  write(Level::Warning, event, fields);
}
inline void error(std::string_view event, std::initializer_list<Field> fields = {}) {
  write(Level::Error, event, fields);
}

}  // namespace ekiden::base::log
