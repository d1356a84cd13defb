#include "ekiden/message/header_text.hpp"

#include <gmime/gmime.h>

#include <memory>
#include <mutex>

#include "ekiden/base/text.hpp"

namespace ekiden::message {

std::string decode_header_text(std::string_view text) {
  if (text.find("=?") == std::string_view::npos && base::is_valid_utf8(text))
    return std::string(text);
  static std::once_flag once;
  std::call_once(once, [] { g_mime_init(); });
  struct Free {
    void operator()(char* octets) const { g_free(octets); }
  };
  const std::unique_ptr<char, Free> decoded(
      g_mime_utils_header_decode_text(nullptr, std::string(text).c_str()));
  if (decoded == nullptr) return {};
  const std::unique_ptr<char, Free> valid(g_utf8_make_valid(decoded.get(), -1));
  return valid.get();
}

}  // namespace ekiden::message
