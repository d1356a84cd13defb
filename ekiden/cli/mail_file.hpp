#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ekiden::cli {

/// A message from a file as it travels. A file in which no line ends with CRLF is taken as text of
/// this system, and its LFs become CRLFs.
class MailFile {
 public:
  explicit MailFile(std::string octets);

  std::string_view octets() const { return octets_; }
  /// With the blank line.
  std::string_view header() const { return octets().substr(0, header_octets_); }
  std::string_view body() const { return octets().substr(header_octets_); }
  /// `fields`, which end with CRLF, in front of the message, in the form that the file had.
  std::string with(std::string_view fields) const;

 private:
  std::string octets_;
  std::size_t header_octets_ = 0;
  bool had_lf_ = false;
};

}  // namespace ekiden::cli
