#include "ekiden/api/multipart.hpp"

#include <algorithm>

#include "ekiden/base/text.hpp"

namespace ekiden::api {
namespace {

/// The value of a parameter in "form-data; name=\"a\\\"b\"; …"; nothing when it is absent.
std::optional<std::string> parameter(std::string_view value, std::string_view wanted) {
  std::size_t at = value.find(';');
  while (at != std::string_view::npos && at < value.size()) {
    value.remove_prefix(at + 1);
    const std::size_t equals = value.find('=');
    if (equals == std::string_view::npos) return std::nullopt;
    const std::string_view name = base::trimmed(value.substr(0, equals));
    value.remove_prefix(equals + 1);
    std::string text;
    if (!value.empty() && value.front() == '"') {
      std::size_t i = 1;
      for (; i < value.size() && value[i] != '"'; ++i) {
        if (value[i] == '\\' && i + 1 < value.size() &&
            (value[i + 1] == '"' || value[i + 1] == '\\'))
          ++i;
        text += value[i];
      }
      if (i >= value.size()) return std::nullopt;
      at = value.find(';', i);
    } else {
      at = value.find(';');
      text = base::trimmed(value.substr(0, at));
    }
    if (base::equals_ignoring_case(name, wanted)) return text;
  }
  return std::nullopt;
}

/// Where the next delimiter begins: the boundary's line, with nothing but spaces or the closing
/// "--" behind it. A line that only begins like it is content.
std::size_t find_delimiter(std::string_view body, std::string_view delimiter, std::size_t from) {
  for (std::size_t at = from; (at = body.find(delimiter, at)) != std::string_view::npos; ++at) {
    std::string_view rest = body.substr(at + delimiter.size());
    if (rest.starts_with("--")) return at;
    rest.remove_prefix(std::min(rest.find_first_not_of(" \t"), rest.size()));
    if (rest.starts_with("\r\n")) return at;
  }
  return std::string_view::npos;
}

/// The header section and the content of one part.
std::optional<FormPart> part_of(std::string_view octets) {
  FormPart part;
  std::size_t end = octets.find("\r\n\r\n");
  if (octets.starts_with("\r\n")) {
    end = 0;
    part.content = octets.substr(2);
  } else if (end != std::string_view::npos) {
    part.content = octets.substr(end + 4);
  } else {
    return std::nullopt;
  }
  std::string_view header = octets.substr(0, end);
  while (!header.empty()) {
    const std::size_t line_end = std::min(header.find("\r\n"), header.size());
    const std::string_view line = header.substr(0, line_end);
    header.remove_prefix(std::min(line_end + 2, header.size()));
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    const std::string_view name = line.substr(0, colon);
    const std::string_view value = base::trimmed(line.substr(colon + 1));
    if (base::equals_ignoring_case(name, "content-type")) part.content_type = value;
    if (!base::equals_ignoring_case(name, "content-disposition")) continue;
    part.name = parameter(value, "name").value_or("");
    part.filename = parameter(value, "filename").value_or("");
  }
  if (part.name.empty()) return std::nullopt;
  return part;
}

}  // namespace

std::optional<std::vector<FormPart>> parse_form(std::string_view content_type,
                                                std::string_view body) {
  if (!base::starts_with_ignoring_case(content_type, "multipart/form-data")) return std::nullopt;
  const auto boundary = parameter(content_type, "boundary");
  // RFC 2046 §5.1.1.
  if (!boundary || boundary->empty() || boundary->size() > 70) return std::nullopt;
  const std::string delimiter = "\r\n--" + *boundary;
  // The first one may stand at the very beginning.
  std::size_t at = std::string_view::npos;
  if (body.starts_with(std::string_view(delimiter).substr(2))) {
    at = delimiter.size() - 2;
  } else if (const std::size_t found = find_delimiter(body, delimiter, 0);
             found != std::string_view::npos) {
    at = found + delimiter.size();
  }
  std::vector<FormPart> parts;
  while (at != std::string_view::npos) {
    std::string_view rest = body.substr(at);
    if (rest.starts_with("--")) return parts;
    const std::size_t line = rest.find("\r\n");
    if (line == std::string_view::npos || !base::trimmed(rest.substr(0, line)).empty())
      return std::nullopt;
    const std::size_t begin = at + line + 2;
    const std::size_t end = find_delimiter(body, delimiter, begin - 2);
    if (end == std::string_view::npos || parts.size() >= kFormPartsMax) return std::nullopt;
    auto part = part_of(body.substr(begin, end < begin ? 0 : end - begin));
    if (!part) return std::nullopt;
    parts.push_back(std::move(*part));
    at = end + delimiter.size();
  }
  return std::nullopt;
}

}  // namespace ekiden::api
