#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ekiden::api {

/// A part of multipart/form-data (RFC 7578).
struct FormPart {
  std::string name;
  std::string filename;  ///< empty: none was given
  std::string content_type;
  std::string_view content;  ///< into the body
};

inline constexpr std::size_t kFormPartsMax = 200;

/// The parts of a body; `content_type` is the request's, with its boundary. Nothing when it is no
/// such body: no boundary, none found, not closed, a part without a name, too many.
std::optional<std::vector<FormPart>> parse_form(std::string_view content_type,
                                                std::string_view body);

}  // namespace ekiden::api
