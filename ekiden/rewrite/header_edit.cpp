#include "ekiden/rewrite/header_edit.hpp"

#include <algorithm>

#include "ekiden/base/text.hpp"

namespace ekiden::rewrite {
namespace {

constexpr std::size_t kNameOctetsMax = 76;
constexpr std::size_t kLineOctetsWanted = 78;
constexpr std::size_t kLineOctetsMax = 998;
/// RFC 2047 §2: an encoded-word has at most 75 octets; 45 become 60 in base64.
constexpr std::size_t kEncodedChunk = 45;

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c & 0x80) == 0; });
}

std::string without_controls(std::string_view value) {
  std::string clean;
  clean.reserve(value.size());
  for (const char c : value) {
    const auto octet = static_cast<unsigned char>(c);
    clean += octet < 0x20 || octet == 0x7f ? ' ' : c;
  }
  return std::string(base::trimmed(clean));
}

/// Encoded-words with spaces between them.
std::string encoded_words(std::string_view text) {
  std::string valid;
  if (!base::is_valid_utf8(text)) {
    for (const char c : text) valid += (c & 0x80) != 0 ? '?' : c;
    return valid;
  }
  std::string out;
  while (!text.empty()) {
    std::size_t n = std::min(kEncodedChunk, text.size());
    while (n < text.size() && n > 1 && (static_cast<unsigned char>(text[n]) & 0xc0) == 0x80) --n;
    if (!out.empty()) out += ' ';
    out.append("=?utf-8?B?").append(base::encode_base64(text.substr(0, n))).append("?=");
    text.remove_prefix(n);
  }
  return out;
}

}  // namespace

std::string HeaderEdit::apply(std::string_view header) const {
  std::size_t more = 0;
  for (const Change& change : changes) more += change.text.size();
  std::string out;
  out.reserve(header.size() + more);
  std::size_t at = 0;
  for (const Change& change : changes) {
    out += header.substr(at, change.at - at);
    out += change.text;
    at = change.at + change.octets;
  }
  out += header.substr(at);
  return out;
}

bool is_field_name(std::string_view name) {
  return !name.empty() && name.size() <= kNameOctetsMax &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return c > ' ' && c < 0x7f && c != ':'; });
}

std::string format_field(std::string_view name, std::string_view value) {
  std::string text = without_controls(value);
  if (!is_ascii(text)) text = encoded_words(text);
  std::string out(name);
  out += ':';
  std::size_t line = out.size();
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = text.find_first_not_of(' ', at);
    if (begin == std::string::npos) break;
    const std::size_t end = std::min(text.find(' ', begin), text.size());
    const std::size_t word = end - begin;
    // A field's first line has its name and something: an empty one is no field (RFC 5322 §3.2.2).
    if (line + 1 + word > kLineOctetsWanted && line > name.size() + 1) {
      out += "\r\n";
      line = 0;
    }
    if (line + 1 + word > kLineOctetsMax) return {};
    out.append(" ").append(text, begin, word);
    line += 1 + word;
    at = end;
  }
  out += "\r\n";
  return out;
}

}  // namespace ekiden::rewrite
