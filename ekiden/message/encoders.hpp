#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace ekiden::message {

/// Turns octets into an encoding whose lines are short and free of 8-bit octets. Split the input
/// anywhere: the output is the same. No virtual functions are needed: a part has one of them.

/// RFC 2045 §6.7. CRLF stays a line break; every other CR, LF and control is encoded, so that
/// decoding gives the same octets back.
class QuotedPrintableEncoder {
 public:
  void feed(std::string_view octets, std::string& out);
  /// The last line ends without CRLF when the input did.
  void finish(std::string& out);

 private:
  void put(char c, std::string& out);
  void put_escaped(char c, std::string& out);
  void make_room(std::size_t octets, std::string& out);
  void flush_held(std::string& out);

  std::size_t column_ = 0;
  char held_ = 0;  ///< white space or CR whose meaning depends on what follows; 0: nothing
};

/// RFC 2045 §6.8, lines of 76.
class Base64Encoder {
 public:
  void feed(std::string_view octets, std::string& out);
  /// The last line always ends with CRLF, unless nothing was fed.
  void finish(std::string& out);

 private:
  void put_group(std::string_view octets, std::string& out);

  std::string held_;  ///< at most 2 octets
  std::size_t column_ = 0;
};

/// Breaks the lines of a part that is base64 already, without changing what it means. When strict
/// it drops 8-bit octets and NUL, which decoders ignore (RFC 2045 §6.8), and its lines end with
/// CRLF only: a part that came by BDAT may hold bare newlines.
class Base64Wrapper {
 public:
  explicit Base64Wrapper(bool is_strict) : is_strict_(is_strict) {}
  void feed(std::string_view octets, std::string& out);
  void finish(std::string&) {}

 private:
  bool is_strict_;
  bool held_cr_ = false;  ///< strict only: written with its LF, or never
  std::size_t column_ = 0;
};

/// Breaks the lines of a part that is quoted-printable already, without changing what it means.
/// When strict it also encodes what must not stand there in the clear (RFC 2045 §6.7).
class QuotedPrintableWrapper {
 public:
  explicit QuotedPrintableWrapper(bool is_strict) : is_strict_(is_strict) {}
  void feed(std::string_view octets, std::string& out);
  void finish(std::string& out);

 private:
  void put(std::string_view unit, std::string& out);

  bool is_strict_;
  std::string held_;  ///< a unit that is not whole yet: "=", "=A", "=" CR, CR
  std::size_t column_ = 0;
};

}  // namespace ekiden::message
