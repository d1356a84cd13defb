#include "ekiden/auth/tag_list.hpp"

#include <algorithm>

#include "ekiden/base/text.hpp"
#include "ekiden/smtp/address.hpp"

namespace ekiden::auth {
namespace {

constexpr std::size_t kDomainOctetsMax = 253;
constexpr std::size_t kLabelOctetsMax = 63;

constexpr bool is_fws(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool is_tag_name(std::string_view name) {
  if (name.empty() || !base::is_alpha(name.front())) return false;
  return std::all_of(name.begin(), name.end(),
                     [](char c) { return base::is_alpha(c) || base::is_digit(c) || c == '_'; });
}

/// VALCHAR and FWS; octets above 127 as well, for U-labels (RFC 8616) and notes.
bool is_tag_value(std::string_view value) {
  for (std::size_t i = 0; i < value.size(); ++i) {
    const auto octet = static_cast<unsigned char>(value[i]);
    if (octet == '\r') {
      // Only as part of a fold.
      if (i + 2 >= value.size() || value[i + 1] != '\n') return false;
      if (value[i + 2] != ' ' && value[i + 2] != '\t') return false;
      ++i;
      continue;
    }
    if (octet == '\n' || octet == 0x7f || (octet < 0x20 && octet != '\t')) return false;
  }
  return true;
}

std::optional<std::string> parse_labels(std::string_view text, std::size_t labels_min) {
  if (text.empty() || text.size() > kDomainOctetsMax) return std::nullopt;
  std::string out = base::lowered(text);
  std::size_t labels = 0;
  for (std::string_view rest = out;;) {
    const std::size_t dot = rest.find('.');
    const std::string_view label = rest.substr(0, dot);
    const bool is_plain = std::all_of(label.begin(), label.end(), [](char c) {
      // '_' is in no host name, but in names below which keys lie.
      return base::is_alpha(c) || base::is_digit(c) || c == '-' || c == '_';
    });
    if (label.empty() || label.size() > kLabelOctetsMax || !is_plain) return std::nullopt;
    if (label.front() == '-' || label.back() == '-') return std::nullopt;
    ++labels;
    if (dot == std::string_view::npos) break;
    rest.remove_prefix(dot + 1);
  }
  if (labels < labels_min) return std::nullopt;
  return out;
}

std::optional<std::string> to_ascii(std::string_view text) {
  const bool is_ascii =
      std::all_of(text.begin(), text.end(), [](char c) { return (c & 0x80) == 0; });
  if (is_ascii) return std::string(text);
  if (text.size() > kDomainOctetsMax || !base::is_valid_utf8(text)) return std::nullopt;
  auto canonical = smtp::canonical_domain(text);
  if (!canonical) return std::nullopt;
  return std::move(*canonical);
}

}  // namespace

std::string_view trimmed_fws(std::string_view text) {
  while (!text.empty() && is_fws(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_fws(text.back())) text.remove_suffix(1);
  return text;
}

std::optional<TagList> TagList::parse(std::string_view text, std::string_view& why) {
  TagList list;
  if (text.size() > kTagListOctetsMax) {
    why = "tag list too long";
    return std::nullopt;
  }
  std::string_view rest = text;
  for (;;) {
    const std::size_t end = std::min(rest.find(';'), rest.size());
    const std::string_view spec = rest.substr(0, end);
    const bool is_last = end == rest.size();
    const std::size_t equals = spec.find('=');
    if (equals == std::string_view::npos) {
      // RFC 6376 §3.2: one ";" may stand at the end, with nothing but white space behind it.
      if (is_last && !list.tags_.empty() && trimmed_fws(spec).empty()) return list;
      why = "malformed tag list";
      return std::nullopt;
    }
    Tag tag;
    tag.name = trimmed_fws(spec.substr(0, equals));
    tag.raw = spec.substr(equals + 1);
    tag.value = trimmed_fws(tag.raw);
    if (!is_tag_name(tag.name)) {
      why = "malformed tag name";
      return std::nullopt;
    }
    if (!is_tag_value(tag.value)) {
      why = "malformed tag value";
      return std::nullopt;
    }
    // RFC 6376 §3.2: "Tags with duplicate names MUST NOT occur within a single tag-list".
    if (list.has(tag.name)) {
      why = "duplicate tag";
      return std::nullopt;
    }
    if (list.tags_.size() == kTagsMax) {
      why = "too many tags";
      return std::nullopt;
    }
    list.tags_.push_back(tag);
    if (is_last) return list;
    rest.remove_prefix(end + 1);
  }
}

const Tag* TagList::find(std::string_view name) const {
  for (const Tag& tag : tags_) {
    if (tag.name == name) return &tag;
  }
  return nullptr;
}

std::string_view TagList::value(std::string_view name) const {
  const Tag* tag = find(name);
  return tag == nullptr ? std::string_view() : tag->value;
}

std::vector<std::string_view> split_trimmed(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t end = text.find(separator);
    parts.push_back(trimmed_fws(text.substr(0, end)));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::optional<std::string> decode_base64_value(std::string_view value) {
  std::string letters;
  letters.reserve(value.size() + 2);
  for (const char c : value) {
    if (!is_fws(c)) letters.push_back(c);
  }
  if (letters.empty()) return std::nullopt;
  if (letters.back() != '=') letters.append((4 - letters.size() % 4) % 4, '=');
  return base::decode_base64(letters);
}

std::optional<std::string> parse_sdid(std::string_view text) {
  const auto ascii = to_ascii(text);
  return ascii ? parse_labels(*ascii, 2) : std::nullopt;
}

std::optional<std::string> parse_selector(std::string_view text) {
  const auto ascii = to_ascii(text);
  return ascii ? parse_labels(*ascii, 1) : std::nullopt;
}

}  // namespace ekiden::auth
