#include "ekiden/dns/name.hpp"

#include <algorithm>

#include "ekiden/base/text.hpp"

namespace ekiden::dns {
namespace {

bool is_label_octet(char c) {
  return c > ' ' && c < '\x7f' && c != '.';
}

}  // namespace

std::optional<std::string> wire_of_name(std::string_view text) {
  if (text.ends_with('.')) text.remove_suffix(1);
  std::string wire;
  wire.reserve(text.size() + 2);
  while (!text.empty()) {
    const std::size_t dot = text.find('.');
    const std::string_view label = text.substr(0, dot);
    if (label.empty() || label.size() > kLabelOctetsMax) return std::nullopt;
    wire.push_back(static_cast<char>(label.size()));
    for (const char c : label) {
      if (!is_label_octet(c)) return std::nullopt;
      wire.push_back(base::to_lower(c));
    }
    if (wire.size() >= kNameOctetsMax) return std::nullopt;
    if (dot == std::string_view::npos) break;
    text.remove_prefix(dot + 1);
    if (text.empty()) return std::nullopt;  // "a.." has an empty label.
  }
  wire.push_back('\0');
  return wire;
}

bool may_be_asked(std::string_view name) {
  if (name.empty()) return true;  // the root
  // Each label has an octet for its length, and the root one more.
  if (name.size() + 2 > kNameOctetsMax) return false;
  for (std::size_t start = 0;;) {
    const std::size_t end = std::min(name.find('.', start), name.size());
    if (end == start || end - start > kLabelOctetsMax) return false;
    if (end == name.size()) return true;
    start = end + 1;
  }
}

std::optional<std::string> take_name(std::string_view& wire) {
  std::string text;
  std::size_t octets = 0;
  while (!wire.empty()) {
    const auto length = static_cast<unsigned char>(wire.front());
    octets += length + 1u;
    if (length > kLabelOctetsMax || wire.size() <= length || octets > kNameOctetsMax) break;
    wire.remove_prefix(1);
    if (length == 0) return text;
    if (!text.empty()) text.push_back('.');
    for (const char c : wire.substr(0, length)) {
      if (!is_label_octet(c)) return std::nullopt;
      text.push_back(base::to_lower(c));
    }
    wire.remove_prefix(length);
  }
  return std::nullopt;
}

std::string canonical_name(std::string_view text) {
  if (text.ends_with('.')) text.remove_suffix(1);
  return base::lowered(text);
}

}  // namespace ekiden::dns
