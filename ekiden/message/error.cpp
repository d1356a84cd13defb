#include "ekiden/message/error.hpp"

namespace ekiden::message {
namespace {

constexpr base::ErrorCategory<Errc> kCategory("message", [](Errc value) -> std::string_view {
  switch (value) {
    case Errc::BadMeta:
      return "stored metadata is damaged";
    case Errc::HeaderTooLarge:
      return "header section too large";
    case Errc::TooManyFields:
      return "too many header fields";
    case Errc::TooDeep:
      return "MIME parts nested too deep";
    case Errc::Unalterable:
      return "a signed or partial MIME part cannot be converted";
    case Errc::BadEkidenHeader:
      return "X-Ekiden header has a bad value";
  }
  return "unknown error";
});

}  // namespace

Error make_error_code(Errc value) {
  return {static_cast<int>(value), kCategory};
}

}  // namespace ekiden::message
