#include "ekiden/smtp/peer_extensions.hpp"

#include <algorithm>
#include <limits>
#include <string_view>

#include "ekiden/base/text.hpp"

namespace ekiden::smtp {
namespace {

std::string_view next_word(std::string_view& text) {
  text = base::trimmed(text);
  const std::size_t end = std::min(text.find_first_of(" \t"), text.size());
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(end);
  return word;
}

void read_auth(std::string_view mechanisms, PeerExtensions& peer) {
  peer.auth = true;
  for (auto word = next_word(mechanisms); !word.empty(); word = next_word(mechanisms)) {
    if (base::equals_ignoring_case(word, "PLAIN")) peer.auth_plain = true;
    if (base::equals_ignoring_case(word, "LOGIN")) peer.auth_login = true;
    if (base::equals_ignoring_case(word, "SCRAM-SHA-256")) peer.auth_scram_sha256 = true;
  }
}

/// RFC 9422 §3: name=value pairs; values are 1 to 6 digits and never zero.
void read_limits(std::string_view limits, PeerExtensions& peer) {
  for (auto word = next_word(limits); !word.empty(); word = next_word(limits)) {
    const std::size_t equals = word.find('=');
    if (equals == std::string_view::npos) continue;
    const auto value = base::parse_u64(word.substr(equals + 1));
    if (!value || *value == 0) continue;
    const auto limit = static_cast<std::uint32_t>(
        std::min<std::uint64_t>(*value, std::numeric_limits<std::uint32_t>::max()));
    const std::string_view name = word.substr(0, equals);
    if (base::equals_ignoring_case(name, "MAILMAX")) peer.mail_max = limit;
    if (base::equals_ignoring_case(name, "RCPTMAX")) peer.recipients_max = limit;
    if (base::equals_ignoring_case(name, "RCPTDOMAINMAX")) peer.recipient_domains_max = limit;
  }
}

}  // namespace

PeerExtensions parse_peer_extensions(const Reply& reply) {
  PeerExtensions peer;
  // The first line is the server's name and its greeting.
  for (std::size_t i = 1; i < reply.lines.size(); ++i) {
    std::string_view rest = reply.lines[i];
    const std::string_view keyword = next_word(rest);
    const auto is = [keyword](std::string_view name) {
      return base::equals_ignoring_case(keyword, name);
    };
    if (is("PIPELINING")) {
      peer.pipelining = true;
    } else if (is("8BITMIME")) {
      peer.eight_bit_mime = true;
    } else if (is("CHUNKING")) {
      peer.chunking = true;
    } else if (is("BINARYMIME")) {
      peer.binary_mime = true;
    } else if (is("SMTPUTF8")) {
      peer.smtputf8 = true;
    } else if (is("DSN")) {
      peer.dsn = true;
    } else if (is("ENHANCEDSTATUSCODES")) {
      peer.enhanced_status_codes = true;
    } else if (is("STARTTLS")) {
      peer.starttls = true;
    } else if (is("REQUIRETLS")) {
      peer.requiretls = true;
    } else if (is("SIZE")) {
      peer.has_size = true;
      peer.size_max = base::parse_u64(next_word(rest)).value_or(0);
    } else if (is("AUTH")) {
      read_auth(rest, peer);
    } else if (base::starts_with_ignoring_case(keyword, "AUTH=")) {
      read_auth(std::string_view(reply.lines[i]).substr(reply.lines[i].find('=') + 1), peer);
    } else if (is("LIMITS")) {
      read_limits(rest, peer);
    }
  }
  return peer;
}

}  // namespace ekiden::smtp
