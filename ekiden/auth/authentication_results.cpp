#include "ekiden/auth/authentication_results.hpp"

#include <algorithm>

#include "ekiden/auth/field_writer.hpp"
#include "ekiden/auth/tag_list.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/message/header_scan.hpp"

namespace ekiden::auth {
namespace {

constexpr std::string_view kFieldName = "Authentication-Results";
/// Comments inside comments that are followed; deeper ones are malformed.
constexpr int kCommentDepthMax = 32;

/// RFC 2045 §5.1: what a token may hold.
constexpr bool is_token_char(char c) {
  constexpr std::string_view kSpecials = "()<>@,;:\\\"/[]?=";
  return c > ' ' && c < '\x7f' && kSpecials.find(c) == std::string_view::npos;
}

bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_token_char);
}

/// "local@domain" or "@domain" of token characters may stand without quotes (RFC 8601 §2.2).
bool is_plain_value(std::string_view text) {
  const std::size_t at = text.find('@');
  if (at == std::string_view::npos) return is_token(text);
  return (at == 0 || is_token(text.substr(0, at))) && is_token(text.substr(at + 1));
}

/// Printable ASCII, cut at the limit.
std::string harmless(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, kResultValueOctetsMax)) {
    out += c >= ' ' && c < '\x7f' ? c : '?';
  }
  return out;
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

std::string format_value(std::string_view text) {
  std::string plain = harmless(text);
  return is_plain_value(plain) ? plain : quoted(plain);
}

/// A keyword of ours; what is none comes out as a token all the same.
std::string format_keyword(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, kResultValueOctetsMax)) out += is_token_char(c) ? c : '-';
  return out.empty() ? "x" : out;
}

/// The pieces between which a line may be broken.
std::vector<std::string> words_of(const MethodResult& result) {
  std::vector<std::string> words;
  words.push_back(format_keyword(result.method) + "=" + std::string(verdict_name(result.verdict)));
  if (!result.reason.empty()) words.push_back("reason=" + quoted(harmless(result.reason)));
  for (const ResultProperty& property : result.properties) {
    words.push_back(format_keyword(property.type) + "." + format_keyword(property.name) + "=" +
                    format_value(property.value));
  }
  return words;
}

std::vector<std::string> words_of(const std::vector<MethodResult>& results) {
  std::vector<std::string> words;
  const std::size_t count = std::min(results.size(), kResultsMax);
  for (std::size_t i = 0; i < count; ++i) {
    for (std::string& word : words_of(results[i])) words.push_back(std::move(word));
    if (i + 1 < count) words.back() += ';';
  }
  // RFC 8601 §2.2: no-result.
  if (words.empty()) words.emplace_back("none");
  return words;
}

/// Moves `text` behind white space, folds and comments. False: a comment never ends.
bool skip_cfws(std::string_view& text) {
  for (;;) {
    text = text.substr(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
    if (text.empty() || text.front() != '(') return true;
    int depth = 0;
    std::size_t i = 0;
    for (; i < text.size(); ++i) {
      if (text[i] == '\\') {
        ++i;
      } else if (text[i] == '(') {
        if (++depth > kCommentDepthMax) return false;
      } else if (text[i] == ')' && --depth == 0) {
        break;
      }
    }
    if (i >= text.size()) return false;
    text.remove_prefix(i + 1);
  }
}

/// The token or quoted string at the front, moved behind it.
std::optional<std::string> take_value(std::string_view& text) {
  std::string out;
  if (!text.empty() && text.front() == '"') {
    for (std::size_t i = 1; i < text.size(); ++i) {
      if (text[i] == '"') {
        text.remove_prefix(i + 1);
        return out;
      }
      if (text[i] == '\\' && i + 1 < text.size()) ++i;
      if (text[i] != '\r' && text[i] != '\n') out += text[i];
    }
    return std::nullopt;
  }
  while (!text.empty() && (is_token_char(text.front()) || (text.front() & 0x80) != 0)) {
    out += text.front();
    text.remove_prefix(1);
  }
  if (out.empty()) return std::nullopt;
  return out;
}

/// The id, and what follows the ';' behind it. Nothing when it cannot be read.
std::optional<std::string> take_authserv_id(std::string_view& value) {
  if (!skip_cfws(value)) return std::nullopt;
  auto id = take_value(value);
  if (!id || !skip_cfws(value)) return std::nullopt;
  // RFC 8601 §2.2: a version may follow.
  while (!value.empty() && base::is_digit(value.front())) value.remove_prefix(1);
  if (!skip_cfws(value)) return std::nullopt;
  if (!value.empty() && value.front() != ';') return std::nullopt;
  if (!value.empty()) value.remove_prefix(1);
  return base::lowered(*id);
}

/// One line, runs of white space as one space.
std::string on_one_line(std::string_view value) {
  std::string out;
  for (const char c : value) {
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
      if (!out.empty() && out.back() != ' ') out += ' ';
    } else {
      out += c;
    }
  }
  while (!out.empty() && (out.back() == ' ' || out.back() == ';')) out.pop_back();
  return out;
}

}  // namespace

std::string format_results(const std::vector<MethodResult>& results) {
  std::string out;
  for (const std::string& word : words_of(results)) {
    if (!out.empty()) out += ' ';
    out += word;
  }
  return out;
}

std::string format_authentication_results(std::string_view authserv_id,
                                          const std::vector<MethodResult>& results) {
  FieldWriter field(kFieldName);
  field.word(format_value(authserv_id) + ";");
  for (const std::string& word : words_of(results)) field.word(word);
  return field.text() + "\r\n";
}

std::optional<std::string> parse_authserv_id(std::string_view value) {
  return take_authserv_id(value);
}

bool claims_authserv_id(std::string_view value, std::string_view authserv_id) {
  const std::string wanted = base::lowered(authserv_id);
  if (const auto id = parse_authserv_id(value)) return *id == wanted;
  return base::lowered(value).find(wanted) != std::string::npos;
}

std::string remove_forged_results(std::string_view header, std::string_view authserv_id) {
  std::string out;
  out.reserve(header.size());
  message::HeaderScanner scanner(header);
  message::Field field;
  std::size_t taken = 0;
  for (;;) {
    const Result<bool> next = scanner.next(field);
    if (!next || !*next) break;
    taken = scanner.consumed();
    if (base::equals_ignoring_case(field.name, kFieldName) &&
        claims_authserv_id(field.value, authserv_id)) {
      continue;
    }
    out += field.octets;
  }
  out += header.substr(taken);
  return out;
}

std::string collect_results(std::string_view header, std::string_view authserv_id) {
  const std::string wanted = base::lowered(authserv_id);
  std::string out;
  message::HeaderScanner scanner(header);
  message::Field field;
  std::size_t fields = 0;
  for (;;) {
    const Result<bool> next = scanner.next(field);
    if (!next || !*next || fields == kResultsMax) break;
    if (!base::equals_ignoring_case(field.name, kFieldName)) continue;
    std::string_view rest = field.value;
    const auto id = take_authserv_id(rest);
    if (!id || *id != wanted) continue;
    const std::string results = on_one_line(rest);
    if (results.empty() || results == "none") continue;
    ++fields;
    if (!out.empty()) out += "; ";
    out += results;
  }
  return out.empty() ? "none" : out;
}

std::optional<Verdict> find_result(std::string_view results, std::string_view method) {
  while (!results.empty()) {
    if (!skip_cfws(results)) return std::nullopt;
    const auto name = take_value(results);
    if (!name || !skip_cfws(results)) return std::nullopt;
    if (base::equals_ignoring_case(*name, method) && results.starts_with('=')) {
      results.remove_prefix(1);
      if (!skip_cfws(results)) return std::nullopt;
      const auto value = take_value(results);
      return value ? parse_verdict(*value) : std::nullopt;
    }
    // To the next ';' that is not quoted or in a comment.
    for (;;) {
      if (!skip_cfws(results)) return std::nullopt;
      if (results.empty()) return std::nullopt;
      if (results.front() == '"') {
        if (!take_value(results)) return std::nullopt;
        continue;
      }
      const bool is_end = results.front() == ';';
      results.remove_prefix(1);
      if (is_end) break;
    }
  }
  return std::nullopt;
}

}  // namespace ekiden::auth
