// X-Ekiden-* headers and dates: what a client asks for stays within the limits.
#include <algorithm>

#include "ekiden/message/fixup.hpp"
#include "ekiden/message/trace.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using namespace ekiden;
using namespace ekiden::message;

void check_date(std::string_view text) {
  const auto time = parse_date(text);
  if (!time) return;
  FUZZ_CHECK(std::abs(base::to_unix_us(*time)) < 1'000'000'000'000'000'000, "years of four digits");
  const std::string rfc3339 = base::format_rfc3339(*time);
  if (rfc3339.size() == std::string_view("2026-11-22T06:10:11.123456Z").size()) {
    const auto again = parse_date(rfc3339);
    FUZZ_CHECK(again && *again == *time, "a date is the same again");
    const auto other = parse_date(base::format_rfc5322(*time));
    FUZZ_CHECK(rfc3339 < "1000" || (other && *other == *time), "in the other form too");
  }
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == '\x7f'; });
}

void check_headers(std::string_view octets) {
  FixupOptions options;
  options.remove_ekiden_headers = true;
  const auto fixed = fix_header(octets, options);
  if (!fixed) return;
  for (const auto& [name, value] : fixed->ekiden_headers) {
    FUZZ_CHECK(name.starts_with("x-ekiden-"), "names are in lower case");
    check_date(value);
  }
  std::string bad_name;
  const auto asked = parse_ekiden_headers(fixed->ekiden_headers, &bad_name);
  if (!asked) {
    FUZZ_CHECK(bad_name.starts_with("x-ekiden-"), "a refusal names its header");
    return;
  }
  FUZZ_CHECK(asked->tags.size() <= kTagsMax, "tags are bounded");
  for (const std::string& tag : asked->tags) {
    FUZZ_CHECK(!tag.empty() && tag.size() <= kTagOctetsMax && !has_control(tag), "each of them");
  }
  if (asked->stream) {
    FUZZ_CHECK(!asked->stream->empty() && asked->stream->size() <= kTagOctetsMax &&
                   !has_control(*asked->stream),
               "a stream is a word");
  }
  FUZZ_CHECK(asked->metadata.size() <= kMetadataOctetsMax, "metadata is bounded");
  FUZZ_CHECK(asked->unknown.size() <= kTagsMax, "warnings are bounded");
}

/// Whatever the client said of itself, a Received field stays one field.
void check_trace(fuzz::Input input) {
  Trace trace;
  trace.helo = input.text();
  trace.client_address = "192.0.2.1";
  trace.client_name = input.text();
  trace.recipient = input.text();
  trace.host = "relay.test";
  trace.protocol = "ESMTP";
  trace.hides_submitter = input.flag();
  const std::string received = format_received(trace);
  FUZZ_CHECK(received.ends_with("\r\n") && !fuzz::has_bare_newline(received), "whole lines");
  FUZZ_CHECK(fuzz::longest_line(received) <= 998, "of bounded length");
  for (std::size_t at = received.find("\r\n"); at + 2 < received.size();
       at = received.find("\r\n", at + 2)) {
    FUZZ_CHECK(received[at + 2] == '\t', "every further line is a fold");
  }
  const auto fixed = fix_header(received + "\r\n", {});
  FUZZ_CHECK(fixed && fixed->received_count == 1 && fixed->from_fields == 0, "one field");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string octets(reinterpret_cast<const char*>(data), size);
  check_headers(octets);
  check_date(octets);
  check_trace(fuzz::Input(data, size));
  return 0;
}
