#include "ekiden/smtp/saslprep.hpp"

#include <stringprep.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "ekiden/base/text.hpp"
#include "ekiden/smtp/error.hpp"

namespace ekiden::smtp {

// RFC 4013 §2.
Result<std::string> saslprep(std::string_view text) {
  if (text.size() > kSaslprepOctetsMax) return make_error_code(Errc::TooLong);
  const bool is_printable_ascii =
      std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c <= 0x7e; });
  if (is_printable_ascii) return std::string(text);
  if (text.find('\0') != std::string_view::npos || !base::is_valid_utf8(text)) {
    return make_error_code(Errc::BadSyntax);
  }
  // Code points that Unicode 3.2 did not know are let through, as RFC 4013 §2.5 wants it of
  // queries: a password may have an emoji, and both sides treat it alike.
  char* prepared = nullptr;
  if (stringprep_profile(std::string(text).c_str(), &prepared, "SASLprep",
                         static_cast<Stringprep_profile_flags>(0)) != STRINGPREP_OK) {
    return make_error_code(Errc::BadSyntax);
  }
  const std::unique_ptr<char, void (*)(void*)> owner(prepared, &std::free);
  return std::string(prepared);
}

std::string saslprep_or_same(std::string_view text) {
  Result<std::string> prepared = saslprep(text);
  return prepared ? std::move(*prepared) : std::string(text);
}

}  // namespace ekiden::smtp
