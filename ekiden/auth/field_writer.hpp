#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace ekiden::auth {

/// RFC 5322 §2.1.1: lines SHOULD be no longer, CRLF not counted.
inline constexpr std::size_t kColumnsMax = 78;

/// Writes one header field, folded where a line would grow past kColumnsMax. A piece is never cut.
class FieldWriter {
 public:
  /// "Name:".
  explicit FieldWriter(std::string_view name) : out_(name), column_(name.size() + 1) {
    out_ += ':';
  }

  /// A piece behind a space.
  FieldWriter& word(std::string_view piece);
  /// A piece right behind the one before, unless the line has no room for it.
  FieldWriter& glue(std::string_view piece);
  /// Without the last CRLF.
  const std::string& text() const { return out_; }

 private:
  void put(std::string_view piece);
  void fold();

  std::string out_;
  std::size_t column_;
};

/// Appends `text` to a field that ends with "b=", broken anywhere into lines of kColumnsMax.
void append_broken(std::string& field, std::string_view text);

}  // namespace ekiden::auth
