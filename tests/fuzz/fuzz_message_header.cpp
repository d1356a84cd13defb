// Header sections: fields lie side by side and miss nothing; admission's changes take away what
// they should, add what they should, touch nothing else, and change nothing the second time.
#include "ekiden/base/text.hpp"
#include "ekiden/message/fixup.hpp"
#include "ekiden/message/header_scan.hpp"
#include "ekiden/message/line_length.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using namespace ekiden;
using namespace ekiden::message;

struct Counted {
  std::size_t fields = 0, bcc = 0, return_path = 0, ekiden = 0, received = 0, from = 0;
  std::size_t octets = 0;
  bool has_blank_line = false, is_refused = false;
};

Counted walk(std::string_view octets) {
  Counted counted;
  HeaderScanner scanner(octets);
  Field field;
  for (;;) {
    const std::size_t start = scanner.consumed();
    const auto more = scanner.next(field);
    if (!more) {
      counted.is_refused = true;
      return counted;
    }
    if (!*more) break;
    ++counted.fields;
    FUZZ_CHECK(field.octets.data() == octets.data() + start, "fields lie side by side");
    FUZZ_CHECK(scanner.consumed() == start + field.octets.size(), "and miss nothing");
    FUZZ_CHECK(!field.name.empty() && field.octets.starts_with(field.name), "a field has a name");
    FUZZ_CHECK(field.value.size() < field.octets.size(), "a value lies in its field");
    const std::string value = unfolded(field.value);
    FUZZ_CHECK(value.find("\r\n") == std::string::npos, "an unfolded value is one line");
    const auto is = [&](std::string_view name) {
      return base::equals_ignoring_case(field.name, name);
    };
    if (is("Bcc") || is("Resent-Bcc")) ++counted.bcc;
    if (is("Return-Path")) ++counted.return_path;
    if (is("Received")) ++counted.received;
    if (is("From")) ++counted.from;
    if (base::starts_with_ignoring_case(field.name, "X-Ekiden-")) ++counted.ekiden;
  }
  counted.octets = scanner.consumed();
  counted.has_blank_line = scanner.has_blank_line();
  return counted;
}

FixupOptions options_from(std::uint8_t flags) {
  FixupOptions options;
  options.add_missing_date = (flags & 1) != 0;
  options.add_missing_message_id = (flags & 2) != 0;
  options.remove_bcc = (flags & 4) != 0;
  options.remove_return_path = (flags & 8) != 0;
  options.remove_ekiden_headers = (flags & 16) != 0;
  if ((flags & 32) != 0) options.received_field = "Received: from a\r\n\tby b; now\r\n";
  options.now = base::from_unix_us(1'800'000'000'000'000);
  options.message_id_host = "relay.test";
  options.id = {1, 2};
  return options;
}

void check_fix(std::string_view octets, FixupOptions options) {
  const auto fixed = fix_header(octets, options);
  if (!fixed) return;
  FUZZ_CHECK(fixed->header_octets <= octets.size(), "a header lies in its message");
  const std::string_view body = octets.substr(fixed->header_octets);
  const Counted after = walk(fixed->header);
  FUZZ_CHECK(!after.is_refused || fixed->header.size() > kHeaderOctetsMax / 2,
             "what was fixed is a header");
  if (after.is_refused) return;
  FUZZ_CHECK(body.empty() || after.has_blank_line, "a body follows a blank line");
  FUZZ_CHECK(after.octets == fixed->header.size(), "the fixed header is nothing but a header");
  FUZZ_CHECK(!options.remove_bcc || after.bcc == 0, "Bcc is gone");
  FUZZ_CHECK(!options.remove_return_path || after.return_path == 0, "Return-Path is gone");
  FUZZ_CHECK(!options.remove_ekiden_headers || after.ekiden == 0, "X-Ekiden-* is gone");
  FUZZ_CHECK(after.received == fixed->received_count + (options.received_field.empty() ? 0 : 1),
             "hops are counted");
  FUZZ_CHECK(after.from == fixed->from_fields, "From is counted");
  FUZZ_CHECK(fixed->subject.size() <= 200, "the subject is bounded");
  FUZZ_CHECK(fixed->from_all.size() <= 64 && fixed->from_all.size() <= fixed->from_count,
             "addresses are bounded");
  FUZZ_CHECK(fixed->has_eight_bit_header == has_eight_bit(fixed->header), "8-bit is seen");

  options.received_field.clear();
  const std::string second_input = fixed->header + std::string(body);
  const auto second = fix_header(second_input, options);
  FUZZ_CHECK(second, "what was fixed can be read again");
  FUZZ_CHECK(second->header == fixed->header, "a second time changes nothing");
  FUZZ_CHECK(second_input.substr(second->header_octets) == body, "the body stays");
}

void check_refold(std::string_view header) {
  const std::string folded = refold_long_lines(header);
  std::string plain, before;
  for (const char c : folded) {
    if (c != '\r' && c != '\n' && c != ' ' && c != '\t') plain += c;
  }
  for (const char c : header) {
    if (c != '\r' && c != '\n' && c != ' ' && c != '\t') before += c;
  }
  FUZZ_CHECK(plain == before, "folding moves nothing but white space");
  FUZZ_CHECK(refold_long_lines(folded) == folded, "folding twice is folding once");
  FUZZ_CHECK(
      scan_lines(folded).longest_line <= std::max(scan_lines(header).longest_line, kLineOctetsMax),
      "no line becomes longer");
}

void check_scan(std::string_view octets, std::uint8_t split) {
  LineScanner scanner;
  fuzz::cut(octets, split, [&](std::string_view piece) {
    scanner.feed(piece);
    return true;
  });
  const Scan scan = scanner.result();
  FUZZ_CHECK(scan == scan_lines(octets), "the split does not matter");
  FUZZ_CHECK(scan.has_eight_bit == has_eight_bit(octets), "8-bit is seen");
  FUZZ_CHECK(scan.has_nul == (octets.find('\0') != std::string_view::npos), "NUL is seen");
  FUZZ_CHECK(scan.has_bare_newline == fuzz::has_bare_newline(octets), "bare newlines are seen");
  if (!scan.has_bare_newline) {
    FUZZ_CHECK(scan.longest_line == fuzz::longest_line(octets), "the longest line is measured");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const std::uint8_t flags = input.octet();
  const std::uint8_t split = input.octet();
  const std::string octets(input.rest());
  const Counted counted = walk(octets);
  if (counted.has_blank_line) {
    FUZZ_CHECK(find_header_end(octets) == counted.octets, "both find the blank line");
  }
  // Search as arrival does: again and again over a message that grows.
  std::size_t found = std::string::npos, searched = 0;
  std::string grown;
  fuzz::cut(octets, split, [&](std::string_view piece) {
    grown += piece;
    found = find_header_end(grown, searched);
    searched = grown.size();
    return found == std::string::npos;
  });
  FUZZ_CHECK(found == find_header_end(octets), "a search goes on where it stopped");
  check_fix(octets, options_from(flags));
  check_scan(octets, split);
  check_refold(octets);
  if (octets.size() > 20) {
    // Long lines are what folding is about, and what a fuzzer makes last.
    std::string stretched = octets.substr(0, 10);
    for (int i = 0; i < 150; ++i) stretched += octets.substr(10, 10);
    check_refold(stretched + octets.substr(20));
  }
  return 0;
}
