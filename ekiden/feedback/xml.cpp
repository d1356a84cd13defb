#include "ekiden/feedback/xml.hpp"

#include <algorithm>

#include "ekiden/base/text.hpp"

namespace ekiden::feedback {
namespace {

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

/// "&amp;" and its like; a number below 128; what is none stays.
void append_text(std::string_view text, std::string& out) {
  static constexpr std::pair<std::string_view, char> kKnown[] = {
      {"&lt;", '<'}, {"&gt;", '>'}, {"&amp;", '&'}, {"&quot;", '"'}, {"&apos;", '\''}};
  for (std::size_t at = 0; at < text.size();) {
    const std::string_view rest = text.substr(at);
    const auto* known = std::find_if(std::begin(kKnown), std::end(kKnown),
                                     [&](const auto& k) { return rest.starts_with(k.first); });
    if (known == std::end(kKnown)) {
      out += text[at++];
    } else {
      out += known->second;
      at += known->first.size();
    }
  }
}

std::string local_name(std::string_view tag) {
  const std::size_t end = std::find_if(tag.begin(), tag.end(), is_space) - tag.begin();
  tag = tag.substr(0, end);
  const std::size_t colon = tag.rfind(':');
  return std::string(colon == std::string_view::npos ? tag : tag.substr(colon + 1));
}

}  // namespace

bool walk_xml(std::string_view document, const XmlSink& sink, std::string& why) {
  struct Open {
    std::string name, text;
  };
  std::vector<Open> open;
  const auto skip = [&](std::size_t& at, std::string_view end) {
    const std::size_t found = document.find(end, at);
    at = found == std::string_view::npos ? document.size() : found + end.size();
  };
  bool has_element = false;
  for (std::size_t at = 0; at < document.size();) {
    const std::size_t tag = std::min(document.find('<', at), document.size());
    if (!open.empty()) append_text(document.substr(at, tag - at), open.back().text);
    at = tag;
    if (at == document.size()) break;
    const std::string_view rest = document.substr(at);
    if (rest.starts_with("<!--")) {
      skip(at, "-->");
      continue;
    }
    if (rest.starts_with("<![CDATA[")) {
      const std::size_t end = std::min(document.find("]]>", at), document.size());
      if (!open.empty()) open.back().text += document.substr(at + 9, end - at - 9);
      at = std::min(end + 3, document.size());
      continue;
    }
    if (rest.starts_with("<?") || rest.starts_with("<!")) {
      skip(at, ">");
      continue;
    }
    const std::size_t end = document.find('>', at);
    if (end == std::string_view::npos) {
      why = "a tag does not end";
      return false;
    }
    std::string_view inner = document.substr(at + 1, end - at - 1);
    at = end + 1;
    if (inner.starts_with('/')) {
      const std::string name = local_name(inner.substr(1));
      if (open.empty() || open.back().name != name) {
        why = "</" + base::printable(name, 60) + "> closes another element";
        return false;
      }
      const Open done = std::move(open.back());
      open.pop_back();
      sink.end(done.name, std::string(trimmed(done.text)));
      continue;
    }
    const bool is_empty = inner.ends_with('/');
    if (is_empty) inner.remove_suffix(1);
    std::string name = local_name(inner);
    has_element = true;
    sink.begin(name);
    if (is_empty) {
      sink.end(name, {});
    } else {
      if (open.size() >= kXmlDepthMax) {
        why = "more than 32 elements inside each other";
        return false;
      }
      open.push_back({std::move(name), {}});
    }
  }
  if (!open.empty() || !has_element) {
    why = has_element ? "<" + base::printable(open.back().name, 60) + "> is not closed" : "no XML";
    return false;
  }
  return true;
}

}  // namespace ekiden::feedback
