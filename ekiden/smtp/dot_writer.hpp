#pragma once

#include <string_view>
#include <vector>

namespace ekiden::smtp {

/// Prepares message octets for DATA: doubles the dots that begin a line (RFC 5321 §4.5.2) and
/// adds the lone dot, without copying the octets.
///
/// It yields pieces of the octets themselves. Where a dot is doubled, one piece ends with the dot
/// and the next begins with the same dot.
///
/// A dot after a bare LF is doubled too: a peer that takes LF for a line end must not see an end
/// of message there. Such messages only exist as BINARYMIME, which never goes through DATA.
class DotWriter {
 public:
  /// Appends the pieces for `octets`, which must outlive them, to `pieces`.
  void append(std::string_view octets, std::vector<std::string_view>& pieces);

  /// Appends the end: CRLF when the last line lacks one, and the lone dot.
  void finish(std::vector<std::string_view>& pieces);

 private:
  char last_ = '\n', before_last_ = '\r';
};

}  // namespace ekiden::smtp
