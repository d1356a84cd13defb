#include "ekiden/base/log.hpp"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>

#include "ekiden/base/line_writer.hpp"
#include "ekiden/base/text.hpp"

namespace ekiden::base::log {
namespace {

constexpr std::size_t kValueLengthMax = 2048;
constexpr std::size_t kLineUsual = 256;

std::shared_ptr<spdlog::logger> logger;
std::atomic<Level> least_level{Level::Info};
std::atomic<Format> chosen_format{Format::Logfmt};

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::Debug:
      return spdlog::level::debug;
    case Level::Info:
      return spdlog::level::info;
    case Level::Warning:
      return spdlog::level::warn;
    case Level::Error:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

std::string_view level_name(Level level) {
  switch (level) {
    case Level::Debug:
      return "debug";
    case Level::Info:
      return "info";
    case Level::Warning:
      return "warning";
    case Level::Error:
      return "error";
  }
  return "error";
}

void append_quoted(std::string& out, std::string_view value) {
  out.push_back('"');
  for (const char c : value) {
    if (c == '"' || c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  out.push_back('"');
}

bool needs_quotes(std::string_view value) {
  return value.empty() || std::any_of(value.begin(), value.end(), [](char c) {
           return c == ' ' || c == '=' || c == '"' || c == '\\';
         });
}

std::string format_line(Level level, std::string_view event, std::initializer_list<Field> fields) {
  const bool json = chosen_format.load(std::memory_order_relaxed) == Format::Json;
  std::string line;
  line.reserve(kLineUsual);
  if (json) {
    line += "\"level\":\"";
    line += level_name(level);
    line += "\",\"event\":";
    append_quoted(line, event);
  } else {
    line += level_name(level);
    line += ' ';
    line += event;
  }
  for (const Field& field : fields) {
    const std::string value =
        field.is_number ? field.value : printable(field.value, kValueLengthMax);
    if (json) {
      line += ',';
      append_quoted(line, field.key);
      line += ':';
    } else {
      line += ' ';
      line += field.key;
      line += '=';
    }
    if (field.is_number || (!json && !needs_quotes(value))) {
      line += value;
    } else {
      append_quoted(line, value);
    }
  }
  if (json) line += '}';
  return line;
}

/// Hands spdlog's lines to the thread that writes them. Only that thread uses `loss_`.
class Sink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit Sink(std::unique_ptr<spdlog::formatter> formatter)
      : base_sink(formatter->clone()), loss_(std::move(formatter)) {}

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    line_.clear();
    formatter_->format(message, line_);
    writer_.add({line_.data(), line_.size()}, message.level >= spdlog::level::warn);
  }
  void flush_() override {}

  std::string word_loss(std::uint64_t lines) {
    const std::string text = format_line(Level::Warning, "log_lines_dropped", {{"lines", lines}});
    spdlog::memory_buf_t line;
    loss_->format({"ekiden", spdlog::level::warn, text}, line);
    return {line.data(), line.size()};
  }

  spdlog::memory_buf_t line_;
  const std::unique_ptr<spdlog::formatter> loss_;
  LineWriter writer_{STDERR_FILENO, [this](std::uint64_t lines) { return word_loss(lines); }};
};

}  // namespace

void start(Level level, Format format) {
  least_level = level;
  chosen_format = format;
  auto formatter = std::make_unique<spdlog::pattern_formatter>(
      format == Format::Json ? "{\"time\":\"%Y-%m-%dT%H:%M:%S.%fZ\",%v"
                             : "%Y-%m-%dT%H:%M:%S.%fZ %v",
      spdlog::pattern_time_type::utc);
  logger = std::make_shared<spdlog::logger>("ekiden", std::make_shared<Sink>(std::move(formatter)));
  logger->set_level(spdlog::level::debug);
}

void stop() {
  logger.reset();
}

bool is_enabled(Level level) {
  return level >= least_level.load(std::memory_order_relaxed);
}

void write(Level level, std::string_view event, std::initializer_list<Field> fields) {
  if (!is_enabled(level)) return;
  const std::string line = format_line(level, event, fields);
  if (logger) {
    logger->log(to_spdlog(level), spdlog::string_view_t(line.data(), line.size()));
  } else {
    std::fprintf(stderr, "%s\n", line.c_str());
  }
}

}  // namespace ekiden::base::log
