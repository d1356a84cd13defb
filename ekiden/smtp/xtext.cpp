#include "ekiden/smtp/xtext.hpp"

#include "ekiden/base/text.hpp"

namespace ekiden::smtp {
namespace {

bool is_xchar(char c) {
  return c >= '!' && c <= '~' && c != '+' && c != '=';
}

int upper_hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  // RFC 3461 §4 (lenient): hexchar is upper case; some senders use lower.
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace

bool is_xtext(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (is_xchar(text[i])) continue;
    if (text[i] != '+' || i + 2 >= text.size()) return false;
    if (upper_hex(text[i + 1]) < 0 || upper_hex(text[i + 2]) < 0) return false;
    i += 2;
  }
  return true;
}

std::string encode_xtext(std::string_view octets) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  out.reserve(octets.size());
  for (const char c : octets) {
    if (is_xchar(c)) {
      out += c;
      continue;
    }
    const auto octet = static_cast<unsigned char>(c);
    out += '+';
    out += kHex[octet >> 4];
    out += kHex[octet & 15];
  }
  return out;
}

std::optional<std::string> decode_xtext(std::string_view text) {
  if (!is_xtext(text)) return std::nullopt;
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '+') {
      out += text[i];
      continue;
    }
    out += static_cast<char>(upper_hex(text[i + 1]) * 16 + upper_hex(text[i + 2]));
    i += 2;
  }
  return out;
}

bool is_utf8_address_text(std::string_view text, bool may_be_utf8) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if ((static_cast<unsigned char>(c) & 0x80) != 0) {
      if (!may_be_utf8) return false;
      continue;
    }
    if (c == '\\' && text.substr(i, 3) == "\\x{") {
      const std::size_t end = text.find('}', i);
      if (end == std::string_view::npos || end < i + 5 || end > i + 9) return false;
      for (std::size_t k = i + 3; k < end; ++k) {
        if (upper_hex(text[k]) < 0) return false;
      }
      i = end;
      continue;
    }
    if (c == '+') {
      if (i + 2 >= text.size() || upper_hex(text[i + 1]) < 0 || upper_hex(text[i + 2]) < 0) {
        return false;
      }
      i += 2;
      continue;
    }
    if (!is_xchar(c)) return false;
  }
  return base::is_valid_utf8(text);
}

}  // namespace ekiden::smtp
