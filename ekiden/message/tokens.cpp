#include "ekiden/message/tokens.hpp"

namespace ekiden::message {
namespace {

constexpr unsigned kCommentDepthMax = 32;
constexpr std::size_t kEncodedWordOctetsMax = 1000;

}  // namespace

std::size_t quoted_octets(std::string_view text) {
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      return i + 1;
    }
  }
  return 0;
}

std::size_t comment_octets(std::string_view text) {
  unsigned depth = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '(') {
      if (++depth > kCommentDepthMax) return 0;
    } else if (text[i] == ')' && --depth == 0) {
      return i + 1;
    }
  }
  return 0;
}

std::size_t encoded_word_octets(std::string_view text) {
  if (!text.starts_with("=?")) return 0;
  text = text.substr(0, kEncodedWordOctetsMax);
  std::size_t at = 2;
  for (int mark = 0; mark < 2; ++mark) {
    at = text.find('?', at);
    if (at == std::string_view::npos) return 0;
    ++at;
  }
  const std::size_t end = text.find("?=", at);
  if (end == std::string_view::npos) return 0;
  for (const char c : text.substr(0, end)) {
    if (is_space(c) || c == '"') return 0;
  }
  return end + 2;
}

}  // namespace ekiden::message
