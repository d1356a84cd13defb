#include "ekiden/tls/error.hpp"

namespace ekiden::tls {
namespace {

std::string_view describe(Errc value) {
  switch (value) {
    case Errc::Handshake:
      return "TLS handshake failed";
    case Errc::NotVerified:
      return "certificate not verified";
    case Errc::FileUnreadable:
      return "file cannot be read";
    case Errc::BadCertificate:
      return "no usable certificate";
    case Errc::BadPrivateKey:
      return "no usable private key";
    case Errc::KeyMismatch:
      return "private key does not belong to the certificate";
    case Errc::Setup:
      break;
  }
  return "TLS could not be set up";
}

constexpr base::ErrorCategory<Errc> kCategory("tls", describe);

}  // namespace

Error make_error_code(Errc value) {
  return {static_cast<int>(value), kCategory};
}

}  // namespace ekiden::tls
