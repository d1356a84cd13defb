// Tag lists and key records: bounded, views into the input, no tag twice, and what is read means
// the same each time.
#include "ekiden/auth/dkim_key.hpp"
#include "ekiden/auth/tag_list.hpp"
#include "tests/fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ekiden::auth;
  const std::string text(reinterpret_cast<const char*>(data), size);
  std::string_view why;
  if (const auto tags = TagList::parse(text, why)) {
    FUZZ_CHECK(!tags->tags().empty() && tags->tags().size() <= kTagsMax, "tags are bounded");
    for (const Tag& tag : tags->tags()) {
      FUZZ_CHECK(tags->find(tag.name) == &tag, "no tag is there twice");
      FUZZ_CHECK(tag.raw.data() >= text.data() &&
                     tag.raw.data() + tag.raw.size() <= text.data() + text.size(),
                 "values are views into the text");
      FUZZ_CHECK(tag.raw.find(';') == std::string_view::npos, "a value ends at its semicolon");
      FUZZ_CHECK(tag.value.find('\0') == std::string_view::npos, "no NUL gets through");
    }
  } else {
    FUZZ_CHECK(!why.empty(), "a refusal has a reason");
  }
  const KeyRecord record = read_key_record(text);
  if (record.verdict == Verdict::Pass) {
    FUZZ_CHECK(static_cast<bool>(record.key), "a usable record has a key");
    FUZZ_CHECK(record.key.type() != KeyType::Rsa ||
                   (record.key.bits() >= kRsaBitsMin && record.key.bits() <= kRsaBitsMax),
               "RSA keys stay within their bounds");
  } else {
    FUZZ_CHECK(!record.reason.empty(), "a refusal has a reason");
  }
  if (const auto domain = parse_sdid(text)) {
    FUZZ_CHECK(parse_sdid(*domain) == domain, "a domain stays the same when read again");
  }
  return 0;
}
