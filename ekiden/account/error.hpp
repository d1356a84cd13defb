#pragma once

#include <type_traits>

#include "ekiden/base/result.hpp"

namespace ekiden::account {

enum class Errc {
  /// The store's file cannot be opened, read or written; nothing changed.
  Unavailable = 1,
  /// Another process held the store's lock too long; try again.
  Busy,
  /// The file is no control store, or is damaged.
  Corrupt,
  /// A newer ekiden wrote the store.
  NewerSchema,
  /// A credential of this name exists.
  DuplicateName,
  /// Another credential has this certificate.
  DuplicateCertificate,
  /// The tenant exists already.
  DuplicateTenant,
  /// 1 to 255 octets of UTF-8 without control characters or spaces at the ends.
  BadName,
  /// Tenants and streams: 1 to 63 of a-z, 0-9, "-", "_" and ".", starting with a letter or digit.
  BadLabel,
  /// 8 to 1024 octets of UTF-8 without control characters, and not of an API key's form.
  BadPassword,
  /// 64 hexadecimal digits.
  BadCertificate,
  /// More than kListMax sender domains, networks or streams.
  TooMany,
  /// No such tenant.
  UnknownTenant,
  /// No such credential.
  NotFound,
  /// The tenant has credentials, keys or webhooks, or is the default one.
  InUse,
  /// A scope that no key can have.
  BadScope,
  /// An API key of this name exists.
  DuplicateKey,
  /// No such API key.
  NoSuchKey,
  /// data_dir/secret.key is not 32 octets, or cannot be read.
  BadSecretKey,
  /// The password function could not get its memory.
  OutOfMemory,
};

Error make_error_code(Errc errc);

}  // namespace ekiden::account

template <>
struct boost::system::is_error_code_enum<ekiden::account::Errc> : std::true_type {};
