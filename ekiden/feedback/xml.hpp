#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace ekiden::feedback {

/// Elements inside each other; deeper ones are refused.
inline constexpr std::size_t kXmlDepthMax = 32;

/// What a walk over a document meets. Names come without their namespace's prefix.
struct XmlSink {
  std::function<void(const std::string& name)> begin;
  /// `text`: of the element itself, references resolved, trimmed.
  std::function<void(const std::string& name, const std::string& text)> end;
};

/// Walks over the elements of a document, as far as reports need XML: no DTD is read, no entity
/// but the five of XML is known, nothing is fetched. False, with `why`: it is malformed.
bool walk_xml(std::string_view document, const XmlSink& sink, std::string& why);

}  // namespace ekiden::feedback
