#include "ekiden/account/error.hpp"

namespace ekiden::account {
namespace {

std::string_view describe(Errc errc) {
  switch (errc) {
    case Errc::Unavailable:
      return "the control store cannot be opened, read or written";
    case Errc::Busy:
      return "the control store is locked by another process";
    case Errc::Corrupt:
      return "the file is not a control store, or it is damaged";
    case Errc::NewerSchema:
      return "the control store was written by a newer ekiden";
    case Errc::DuplicateName:
      return "a user of this name exists";
    case Errc::DuplicateCertificate:
      return "another user has this certificate";
    case Errc::DuplicateTenant:
      return "a tenant of this name exists";
    case Errc::BadName:
      return "a user name has 1 to 255 octets of UTF-8, no control characters, and no spaces at "
             "its ends";
    case Errc::BadLabel:
      return "a tenant or stream is 1 to 63 of a-z, 0-9, '-', '_' and '.', and starts with a "
             "letter or digit";
    case Errc::BadPassword:
      return "a password has 8 to 1024 octets of UTF-8, no control characters, and not the form "
             "of an API key";
    case Errc::BadCertificate:
      return "a certificate is named by the 64 hexadecimal digits of its SHA-256";
    case Errc::TooMany:
      return "at most 1000 sender domains, networks or streams";
    case Errc::UnknownTenant:
      return "no such tenant";
    case Errc::NotFound:
      return "no such user";
    case Errc::InUse:
      return "it still has users, API keys, webhooks or signing keys, or is the default tenant";
    case Errc::BadScope:
      return "no such scope";
    case Errc::DuplicateKey:
      return "an API key of this name exists";
    case Errc::NoSuchKey:
      return "no such API key";
    case Errc::BadSecretKey:
      return "secret.key is not 32 octets, or cannot be read";
    case Errc::OutOfMemory:
      return "not enough memory for the password function";
  }
  return "unknown error";
}

constexpr base::ErrorCategory<Errc> kCategory("account", describe);

}  // namespace

Error make_error_code(Errc errc) {
  return Error(static_cast<int>(errc), kCategory);
}

}  // namespace ekiden::account
