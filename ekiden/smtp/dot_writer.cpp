#include "ekiden/smtp/dot_writer.hpp"

#include <cstring>

namespace ekiden::smtp {

void DotWriter::append(std::string_view octets, std::vector<std::string_view>& pieces) {
  if (octets.empty()) return;
  const char* begin = octets.data();
  const char* const end = begin + octets.size();
  if (*begin == '.' && last_ == '\n') pieces.push_back(octets.substr(0, 1));

  // memchr for the dot: the rarer of the two octets in mail, most of which is base64.
  const char* scan = begin + 1;
  while (scan < end) {
    const auto* dot =
        static_cast<const char*>(std::memchr(scan, '.', static_cast<std::size_t>(end - scan)));
    if (dot == nullptr) break;
    if (dot[-1] == '\n') {
      pieces.emplace_back(begin, static_cast<std::size_t>(dot + 1 - begin));
      begin = dot;
    }
    scan = dot + 1;
  }
  pieces.emplace_back(begin, static_cast<std::size_t>(end - begin));

  before_last_ = octets.size() > 1 ? end[-2] : last_;
  last_ = end[-1];
}

void DotWriter::finish(std::vector<std::string_view>& pieces) {
  const bool is_at_line_start = last_ == '\n' && before_last_ == '\r';
  pieces.emplace_back(is_at_line_start ? ".\r\n" : "\r\n.\r\n");
}

}  // namespace ekiden::smtp
