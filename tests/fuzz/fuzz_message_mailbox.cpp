// The addresses of header fields: bounded, on one line, found again in what was found.
#include "ekiden/message/mailbox.hpp"
#include "tests/fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ekiden::message;
  const std::string value(reinterpret_cast<const char*>(data), size);
  const Mailboxes found = parse_mailboxes(value);
  FUZZ_CHECK(found.addresses.size() <= kMailboxesMax, "addresses are bounded");
  FUZZ_CHECK(found.addresses.size() == std::min(found.count, kMailboxesMax), "and all counted");
  std::size_t octets = 0;
  for (const std::string& address : found.addresses) {
    octets += address.size();
    FUZZ_CHECK(!address.empty(), "an address is something");
    FUZZ_CHECK(address.find("\r\n") == std::string::npos, "an address has no fold");
  }
  FUZZ_CHECK(octets <= value.size(), "nothing is invented");
  const Mailboxes again = parse_mailboxes(value);
  FUZZ_CHECK(again.addresses == found.addresses, "the same each time");
  return 0;
}
