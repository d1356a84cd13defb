#pragma once

#include "ekiden/base/result.hpp"

namespace ekiden::message {

enum class Errc {
  /// The stored metadata cannot be read. The spool sets the message aside.
  BadMeta = 1,
  /// The header section is over its limit of octets. Inbound answers 552 5.3.4.
  HeaderTooLarge,
  /// The header section has too many fields. Inbound answers 554 5.6.0.
  TooManyFields,
  /// MIME parts are nested too deep to be converted. Delivery bounces with 5.6.3.
  TooDeep,
  /// A part must not be altered (multipart/signed, message/partial) and would have to be.
  /// Delivery bounces with 5.6.3; inbound answers 554 5.6.0.
  Unalterable,
  /// An X-Ekiden header has a value we cannot use. Inbound answers 554 5.6.0.
  BadEkidenHeader,
};

Error make_error_code(Errc value);

}  // namespace ekiden::message

template <>
struct boost::system::is_error_code_enum<ekiden::message::Errc> : std::true_type {};
