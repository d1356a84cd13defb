// What the spool keeps beside a message: any octets are read or refused, never more than they say,
// and what was read is written and read the same.
#include "ekiden/message/envelope.hpp"
#include "tests/fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ekiden::message;
  const std::string octets(reinterpret_cast<const char*>(data), size);
  const auto meta = decode_meta(octets);
  if (!meta) return 0;
  FUZZ_CHECK(meta->envelope.recipients.size() <= size, "recipients cost octets");
  FUZZ_CHECK(meta->details.tags.size() <= size, "so do tags");
  const std::string written = encode_meta(*meta);
  const auto again = decode_meta(written);
  FUZZ_CHECK(again && *again == *meta, "what was read is read the same");
  FUZZ_CHECK(encode_meta(*again) == written, "and written the same");
  return 0;
}
