#include "ekiden/smtp/error.hpp"

namespace ekiden::smtp {
namespace {

std::string_view describe(Errc value) {
  switch (value) {
    case Errc::BadSyntax:
      return "not the syntax of RFC 5321";
    case Errc::BadDomain:
      return "not a domain name";
    case Errc::TooLong:
      return "too long";
    case Errc::BareNewline:
      return "bare CR or LF";
    case Errc::LineTooLong:
      return "line too long";
    case Errc::BadReply:
      return "not an SMTP reply";
  }
  return "unknown";
}

constexpr base::ErrorCategory<Errc> kCategory("smtp", describe);

}  // namespace

Error make_error_code(Errc value) {
  return {static_cast<int>(value), kCategory};
}

}  // namespace ekiden::smtp
