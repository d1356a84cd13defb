#include "ekiden/auth/field_writer.hpp"

namespace ekiden::auth {

FieldWriter& FieldWriter::word(std::string_view piece) {
  if (column_ + 1 + piece.size() > kColumnsMax) {
    fold();
  } else {
    put(" ");
  }
  put(piece);
  return *this;
}

FieldWriter& FieldWriter::glue(std::string_view piece) {
  if (column_ + piece.size() > kColumnsMax && column_ > 1) fold();
  put(piece);
  return *this;
}

void FieldWriter::put(std::string_view piece) {
  out_ += piece;
  column_ += piece.size();
}

void FieldWriter::fold() {
  // A space, not a tab: the canonical forms then agree about what stands there.
  out_ += "\r\n ";
  column_ = 1;
}

void append_broken(std::string& field, std::string_view text) {
  const std::size_t line = field.rfind('\n');
  std::size_t column = field.size() - (line == std::string::npos ? 0 : line + 1);
  while (!text.empty()) {
    if (column >= kColumnsMax) {
      field += "\r\n ";
      column = 1;
    }
    const std::string_view piece = text.substr(0, kColumnsMax - column);
    field += piece;
    column += piece.size();
    text.remove_prefix(piece.size());
  }
}

}  // namespace ekiden::auth
