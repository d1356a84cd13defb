#include "ekiden/base/percent.hpp"

#include "ekiden/base/text.hpp"

namespace ekiden::base {

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    const auto octet = decode_hex(text.substr(i + 1, 2));
    if (!octet || octet->size() != 1) return std::nullopt;
    decoded += *octet;
    i += 2;
  }
  return decoded;
}

std::string percent_encoded(std::string_view text, std::string_view kept) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string encoded;
  encoded.reserve(text.size());
  for (const char c : text) {
    if (is_alpha(c) || is_digit(c) || std::string_view("-._~").find(c) != std::string_view::npos ||
        kept.find(c) != std::string_view::npos) {
      encoded += c;
      continue;
    }
    const auto octet = static_cast<unsigned char>(c);
    encoded += '%';
    encoded += kDigits[octet >> 4];
    encoded += kDigits[octet & 15];
  }
  return encoded;
}

}  // namespace ekiden::base
