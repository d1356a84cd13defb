// RFC 3461's xtext: any octets come back from it, and what is taken for it decodes.
#include "ekiden/smtp/xtext.hpp"
#include "tests/fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ekiden::smtp;
  const std::string octets(reinterpret_cast<const char*>(data), size);
  const std::string encoded = encode_xtext(octets);
  FUZZ_CHECK(is_xtext(encoded), "what is encoded is xtext");
  FUZZ_CHECK(encoded.size() <= 3 * octets.size(), "at most three for one");
  const auto decoded = decode_xtext(encoded);
  FUZZ_CHECK(decoded && *decoded == octets, "and comes back");

  const auto given = decode_xtext(octets);
  FUZZ_CHECK(given.has_value() == is_xtext(octets), "xtext is what decodes");
  if (given) {
    const auto again = decode_xtext(encode_xtext(*given));
    FUZZ_CHECK(again && *again == *given, "and comes back");
    // RFC 6533 §3 gives "\\x{" a meaning that plain xtext does not know.
    FUZZ_CHECK(is_utf8_address_text(octets, false) || octets.find("\\x{") != std::string::npos,
               "xtext is utf-8-addr-xtext");
  }
  if (is_utf8_address_text(octets, false)) {
    FUZZ_CHECK(is_utf8_address_text(octets, true), "what is ASCII is UTF-8");
    for (const char c : octets) FUZZ_CHECK(c > ' ' && c < '\x7f', "printable ASCII only");
  }
  return 0;
}
