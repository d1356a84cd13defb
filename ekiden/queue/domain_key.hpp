#pragma once

#include <string>
#include <string_view>

namespace ekiden::queue {

/// By what the scheduler knows a recipient's domain: its canonical name, and behind "=" the next
/// hop where the recipient brings its own ("example.org=10.0.0.5:25"). Recipients with one key go
/// the same way.
inline std::string domain_key(std::string domain, std::string_view next_hop) {
  if (!next_hop.empty()) {
    domain += '=';
    domain += next_hop;
  }
  return domain;
}

inline std::string_view domain_of_key(std::string_view key) {
  return key.substr(0, key.find('='));
}

/// Empty: as the routes say.
inline std::string_view next_hop_of_key(std::string_view key) {
  const std::size_t at = key.find('=');
  return at == std::string_view::npos ? std::string_view() : key.substr(at + 1);
}

}  // namespace ekiden::queue
