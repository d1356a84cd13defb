#include "ekiden/config/next_hop.hpp"

#include <boost/asio/ip/address.hpp>

#include "ekiden/base/text.hpp"

namespace ekiden::config {

namespace {

std::optional<std::uint16_t> parse_port(std::string_view text) {
  const auto port = base::parse_u64(text);
  if (!port || *port == 0 || *port > 65535) return std::nullopt;
  return static_cast<std::uint16_t>(*port);
}

}  // namespace

bool is_host_name(std::string_view text) {
  if (text.empty() || text.size() > 253) return false;
  std::size_t label = 0;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    const char c = i < text.size() ? text[i] : '.';
    if (c == '.') {
      if (label == 0 || label > 63 || text[i - 1] == '-') return false;
      label = 0;
      continue;
    }
    const bool is_fine = base::is_alpha(c) || base::is_digit(c) || c == '_' ||
                         (c == '-' && label > 0) || static_cast<unsigned char>(c) >= 0x80;
    if (!is_fine) return false;
    ++label;
  }
  return true;
}

std::optional<HostPort> parse_host_port(std::string_view text) {
  HostPort result;
  std::string_view host = text;
  std::string_view port;
  bool has_port = false;
  if (!text.empty() && text.front() == '[') {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    host = text.substr(1, end - 1);
    const std::string_view rest = text.substr(end + 1);
    if (!rest.empty()) {
      if (rest.front() != ':') return std::nullopt;
      has_port = true;
      port = rest.substr(1);
    }
    // The system's parser stops at a NUL.
    if (host.find('\0') != std::string_view::npos) return std::nullopt;
    boost::system::error_code error;
    const auto address = boost::asio::ip::make_address(std::string(host), error);
    if (error) return std::nullopt;
    result.host = address.to_string();
  } else {
    const std::size_t colon = text.find(':');
    if (colon != std::string_view::npos) {
      host = text.substr(0, colon);
      has_port = true;
      port = text.substr(colon + 1);
    }
    if (!is_host_name(host)) return std::nullopt;
    result.host = base::lowered(host);
  }
  if (has_port) {
    const auto number = parse_port(port);
    if (!number) return std::nullopt;
    result.port = *number;
  }
  return result;
}

std::string format_host_port(const HostPort& host) {
  const bool is_v6 = host.host.find(':') != std::string::npos;
  std::string text = is_v6 ? "[" + host.host + "]" : host.host;
  if (host.port != 0) text += ":" + std::to_string(host.port);
  return text;
}

}  // namespace ekiden::config
