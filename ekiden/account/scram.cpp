#include "ekiden/account/scram.hpp"

#include <algorithm>
#include <utility>

#include "ekiden/base/text.hpp"

namespace ekiden::account {
namespace {

constexpr std::size_t kMessageOctetsMax = 4096;
constexpr std::size_t kNonceOctetsMax = 256;

/// Takes the octets up to the next "," and the comma. Nothing when there is no comma.
std::optional<std::string_view> take_until_comma(std::string_view& rest) {
  const std::size_t comma = rest.find(',');
  if (comma == std::string_view::npos) return std::nullopt;
  const std::string_view taken = rest.substr(0, comma);
  rest.remove_prefix(comma + 1);
  return taken;
}

/// RFC 5802 §5.1: "=2C" and "=3D" stand for "," and "="; no other "=" is allowed.
std::optional<std::string> decode_saslname(std::string_view text) {
  std::string name;
  while (!text.empty()) {
    if (text.starts_with("=2C") || text.starts_with("=3D")) {
      name += text[1] == '2' ? ',' : '=';
      text.remove_prefix(3);
    } else if (text[0] == '=' || text[0] == '\0') {
      return std::nullopt;
    } else {
      name += text[0];
      text.remove_prefix(1);
    }
  }
  if (name.empty() || !base::is_valid_utf8(name)) return std::nullopt;
  return name;
}

bool is_nonce(std::string_view text) {
  return !text.empty() && text.size() <= kNonceOctetsMax &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

}  // namespace

bool ScramExchange::read_gs2_header(std::string_view& rest, std::string& authzid) {
  const auto flag = take_until_comma(rest);
  const auto authorization = take_until_comma(rest);
  if (!flag || !authorization) return false;

  std::string binding_data;
  if (flag->starts_with("p=")) {
    if (!options_.is_plus || !options_.channel_binding) return false;
    const auto data = options_.channel_binding(flag->substr(2));
    if (!data || data->empty()) return false;
    binding_data = *data;
  } else if (*flag == "y") {
    // RFC 5802 §6: the client could bind and believes that we cannot. If we offered -PLUS,
    // somebody in between removed it.
    if (options_.is_plus || options_.plus_was_offered) return false;
  } else if (*flag != "n" || options_.is_plus) {
    return false;
  }

  if (!authorization->empty()) {
    if (!authorization->starts_with("a=")) return false;
    const auto name = decode_saslname(authorization->substr(2));
    if (!name) return false;
    authzid = *name;
  }
  binding_ = std::string(*flag) + ',' + std::string(*authorization) + ',' + binding_data;
  return true;
}

bool ScramExchange::read_first(std::string_view message) {
  if (message.size() > kMessageOctetsMax) return false;
  std::string_view rest = message;
  std::string authzid;
  if (!read_gs2_header(rest, authzid)) return false;
  client_first_bare_ = rest;

  // "m=" would come first: an extension that must be understood, and we understand none.
  const auto user = take_until_comma(rest);
  if (!user || !user->starts_with("n=")) return false;
  const auto name = decode_saslname(user->substr(2));
  if (!name || (!authzid.empty() && authzid != *name)) return false;
  const std::string_view nonce = rest.substr(0, rest.find(','));
  if (!nonce.starts_with("r=") || !is_nonce(nonce.substr(2))) return false;
  name_ = *name;
  nonce_ = nonce.substr(2);
  return true;
}

std::string ScramExchange::challenge(const ScramKeys& keys) {
  keys_ = keys;
  nonce_ += options_.nonce;
  server_first_ = "r=" + nonce_ + ",s=" + base::encode_base64(keys.salt) +
                  ",i=" + std::to_string(keys.iterations);
  return server_first_;
}

std::optional<std::string> ScramExchange::read_final(std::string_view message) {
  if (message.size() > kMessageOctetsMax) return std::nullopt;
  std::string_view rest = message;
  const auto binding = take_until_comma(rest);
  if (!binding || !binding->starts_with("c=")) return std::nullopt;
  const auto nonce = take_until_comma(rest);
  if (!nonce || !nonce->starts_with("r=")) return std::nullopt;
  // Extensions may stand between the nonce and the proof, which is last.
  const std::size_t proof_at = message.rfind(",p=");
  if (proof_at == std::string_view::npos) return std::nullopt;
  const auto proof = base::decode_base64(message.substr(proof_at + 3));
  if (!proof || proof->size() != keys_.stored_key.size()) return std::nullopt;

  const auto bound = base::decode_base64(binding->substr(2));
  if (!bound || !equals_in_constant_time(*bound, binding_)) return std::nullopt;
  if (!equals_in_constant_time(nonce->substr(2), nonce_)) return std::nullopt;

  const std::string auth_message =
      client_first_bare_ + ',' + server_first_ + ',' + std::string(message.substr(0, proof_at));
  std::string client_key = hmac_sha256(keys_.stored_key, auth_message);
  for (std::size_t i = 0; i < client_key.size(); ++i) {
    client_key[i] = static_cast<char>(client_key[i] ^ (*proof)[i]);
  }
  const bool is_right = equals_in_constant_time(sha256(client_key), keys_.stored_key);
  wipe(client_key);
  if (!is_right) return std::nullopt;
  return "v=" + base::encode_base64(hmac_sha256(keys_.server_key, auth_message));
}

}  // namespace ekiden::account
