#include "ekiden/message/mime.hpp"

#include "ekiden/base/text.hpp"
#include "ekiden/message/header_scan.hpp"

namespace ekiden::message {
namespace {

constexpr std::size_t kBoundaryOctetsMax = 200;  // RFC 2046 §5.1.1 says 70; some clients use more.

/// Drops comments outside quoted strings (RFC 5322 §3.2.2); an open one reaches to the end.
std::string without_comments(std::string_view text) {
  std::string out;
  unsigned depth = 0;
  bool is_quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\\' && i + 1 < text.size() && (is_quoted || depth > 0)) {
      if (depth == 0) out.append(text.substr(i, 2));
      ++i;
    } else if (is_quoted) {
      out += c;
      is_quoted = c != '"';
    } else if (c == '(') {
      ++depth;
    } else if (c == ')' && depth > 0) {
      --depth;
    } else if (depth == 0) {
      out += c;
      is_quoted = c == '"';
    }
  }
  return out;
}

bool is_token_octet(char c) {
  return static_cast<unsigned char>(c) > ' ' && c != '\x7f' &&
         std::string_view("()<>@,;:\\\"/[]?=").find(c) == std::string_view::npos;
}

std::string_view take_token(std::string_view& rest) {
  rest = base::trimmed(rest);
  std::size_t n = 0;
  while (n < rest.size() && is_token_octet(rest[n])) ++n;
  const std::string_view token = rest.substr(0, n);
  rest = base::trimmed(rest.substr(n));
  return token;
}

/// A quoted string, or everything up to the next ';': clients forget the quotes.
std::string take_value(std::string_view& rest) {
  std::string out;
  if (!rest.starts_with('"')) {
    const std::size_t end = rest.find(';');
    out = base::trimmed(rest.substr(0, end));
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end);
    return out;
  }
  std::size_t i = 1;
  for (; i < rest.size() && rest[i] != '"'; ++i) {
    if (rest[i] == '\\' && i + 1 < rest.size()) ++i;
    out += rest[i];
  }
  rest.remove_prefix(i < rest.size() ? i + 1 : i);
  return out;
}

}  // namespace

ContentType parse_content_type(std::string_view value) {
  const std::string text = without_comments(unfolded(value));
  std::string_view rest = text;
  ContentType out;
  out.is_given = true;
  out.type = base::lowered(take_token(rest));
  if (out.type.empty() || !rest.starts_with('/')) {
    out.type = "application";
    out.subtype = "octet-stream";
    return out;
  }
  rest.remove_prefix(1);
  out.subtype = base::lowered(take_token(rest));
  for (;;) {
    const std::size_t semicolon = rest.find(';');
    if (semicolon == std::string_view::npos) break;
    rest.remove_prefix(semicolon + 1);
    const std::string name = base::lowered(take_token(rest));
    if (!rest.starts_with('=')) continue;
    rest = base::trimmed(rest.substr(1));
    std::string parameter = take_value(rest);
    if (name == "boundary" && out.boundary.empty() && parameter.size() <= kBoundaryOctetsMax) {
      // RFC 2046 §5.1.1: a boundary does not end with white space.
      while (!parameter.empty() && parameter.back() == ' ') parameter.pop_back();
      out.boundary = std::move(parameter);
    } else if (name == "charset") {
      out.has_charset = true;
    }
  }
  return out;
}

std::string find_parameter(std::string_view value, std::string_view name) {
  const std::string text = without_comments(unfolded(value));
  std::string_view rest = text;
  for (;;) {
    const std::size_t semicolon = rest.find(';');
    if (semicolon == std::string_view::npos) return {};
    rest.remove_prefix(semicolon + 1);
    const std::string_view found = take_token(rest);
    if (!rest.starts_with('=')) continue;
    rest = base::trimmed(rest.substr(1));
    std::string parameter = take_value(rest);
    if (base::equals_ignoring_case(found, name)) return parameter;
  }
}

TransferEncoding parse_transfer_encoding(std::string_view value) {
  const std::string text = without_comments(unfolded(value));
  const std::string name = base::lowered(base::trimmed(text));
  if (name == "7bit") return TransferEncoding::SevenBit;
  if (name == "8bit") return TransferEncoding::EightBit;
  if (name == "binary") return TransferEncoding::Binary;
  if (name == "quoted-printable") return TransferEncoding::QuotedPrintable;
  if (name == "base64") return TransferEncoding::Base64;
  return TransferEncoding::Other;
}

}  // namespace ekiden::message
