#include "ekiden/webhook/target.hpp"

#include <algorithm>

#include "ekiden/base/percent.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/smtp/address.hpp"

namespace ekiden::webhook {
namespace {

constexpr std::uint16_t kHttpPort = 80;
constexpr std::uint16_t kHttpsPort = 443;
/// Below it lie the ports of services that a POST could be made to talk to, mail's among them.
constexpr std::uint16_t kPortMin = 1024;

bool is_plain(char c) {
  const auto octet = static_cast<unsigned char>(c);
  return octet > 0x20 && octet < 0x7f && c != '\\' && c != '"' && c != '<' && c != '>' &&
         c != '^' && c != '`' && c != '{' && c != '|' && c != '}';
}

/// Whether other programs would take the name for a number, and so for an address: "127.1",
/// "2130706433", "0x7f000001", "0177.0.0.1" (the URL standard's "ends in a number").
bool ends_in_number(std::string_view host) {
  const std::string_view last = host.substr(host.rfind('.') + 1);
  if (last.empty()) return false;
  if (std::all_of(last.begin(), last.end(), base::is_digit)) return true;
  if (!last.starts_with("0x")) return false;
  const std::string_view digits = last.substr(2);
  return digits.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

bool read_host(std::string_view text, Target& target, std::string& why) {
  if (text.starts_with('[')) {
    if (text.ends_with(']')) target.address = net::parse_address(text.substr(1, text.size() - 2));
    if (!target.address || !target.address->is_v6()) {
      why = "what stands in brackets is no IPv6 address";
      return false;
    }
    target.host = target.address->to_string();
    return true;
  }
  target.address = net::parse_address(text);
  if (target.address && target.address->is_v4()) {
    target.host = target.address->to_string();
    return true;
  }
  target.address.reset();
  const Result<std::string> domain = smtp::canonical_domain(text);
  if (!domain || domain->starts_with('[') || ends_in_number(*domain)) {
    why = "\"" + base::printable(text, 100) +
          "\" is no host; addresses are written like 192.0.2.1 or [2001:db8::1]";
    return false;
  }
  target.host = *domain;
  return true;
}

}  // namespace

std::string Target::origin() const {
  std::string text = is_secure ? "https://" : "http://";
  text += host.find(':') == std::string::npos ? host : "[" + host + "]";
  if (port != (is_secure ? kHttpsPort : kHttpPort)) text += ":" + std::to_string(port);
  return text;
}

std::optional<Target> parse_target(std::string_view url, std::string& why) {
  if (url.size() > kUrlOctetsMax) {
    why = "a URL has 2048 octets at most";
    return std::nullopt;
  }
  if (!std::all_of(url.begin(), url.end(), is_plain)) {
    why =
        "a URL has no spaces, control characters or backslashes; others than ASCII are written "
        "as %XX";
    return std::nullopt;
  }
  Target target;
  if (base::starts_with_ignoring_case(url, "https://")) {
    url.remove_prefix(8);
  } else if (base::starts_with_ignoring_case(url, "http://")) {
    url.remove_prefix(7);
    target.is_secure = false;
    target.port = kHttpPort;
  } else {
    why = "a URL begins with https://";
    return std::nullopt;
  }
  url = url.substr(0, url.find('#'));
  const std::size_t end = std::min(url.find_first_of("/?"), url.size());
  std::string_view authority = url.substr(0, end);
  std::string_view path = url.substr(end);
  if (path.starts_with('/')) {
    target.path = path;
  } else if (!path.empty()) {
    target.path += path;
  }
  if (const std::size_t at = authority.rfind('@'); at != std::string_view::npos) {
    const auto user = base::percent_decoded(authority.substr(0, at));
    // A second "@" is where readers of URLs part ways about which host is meant.
    if (!user || authority.find('@') != at || user->find(':') == std::string::npos) {
      why = "before the host stands user:password@, with %40 for an @ in them";
      return std::nullopt;
    }
    target.authorization = "Basic " + base::encode_base64(*user);
    authority.remove_prefix(at + 1);
  }
  const std::size_t bracket = authority.rfind(']');
  const std::size_t colon = authority.find(':', bracket == std::string_view::npos ? 0 : bracket);
  if (colon != std::string_view::npos) {
    const auto port = base::parse_u64(authority.substr(colon + 1));
    const bool is_usual = port && (*port == kHttpPort || *port == kHttpsPort);
    if (!port || *port > 65535 || (*port < kPortMin && !is_usual)) {
      why = "the port is 80, 443, or 1024 to 65535";
      return std::nullopt;
    }
    target.port = static_cast<std::uint16_t>(*port);
    authority = authority.substr(0, colon);
  }
  if (!read_host(authority, target, why)) return std::nullopt;
  return target;
}

}  // namespace ekiden::webhook
