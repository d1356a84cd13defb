#include "ekiden/auth/error.hpp"

namespace ekiden::auth {
namespace {

std::string_view describe(Errc value) {
  switch (value) {
    case Errc::BadRecord:
      return "the record is malformed";
    case Errc::BadTagList:
      return "the list of tags is malformed";
    case Errc::BadKey:
      return "the key cannot be read or used";
    case Errc::CryptoFailed:
      return "the cryptographic library failed";
    case Errc::BadSuffixList:
      return "the public suffix list cannot be read";
  }
  return "unknown error";
}

constexpr base::ErrorCategory<Errc> kCategory("auth", describe);

}  // namespace

Error make_error_code(Errc value) {
  return {static_cast<int>(value), kCategory};
}

}  // namespace ekiden::auth
