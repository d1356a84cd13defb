// Reports composed from anything that the spool may hold and a peer may have said: always one
// well-formed multipart/report, in which nobody's words become a line, a field or a part.
#include "ekiden/base/text.hpp"
#include "ekiden/message/convert.hpp"
#include "ekiden/message/dsn.hpp"
#include "ekiden/message/header_scan.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using namespace ekiden;
using namespace ekiden::message;

std::size_t count(std::string_view text, std::string_view part) {
  std::size_t n = 0;
  for (std::size_t at = text.find(part); at != std::string_view::npos;
       at = text.find(part, at + part.size())) {
    ++n;
  }
  return n;
}

/// Part by part, without the boundary lines.
std::vector<std::string_view> parts_of(std::string_view octets, std::string_view boundary) {
  std::vector<std::string_view> parts;
  const std::string line = "\r\n--" + std::string(boundary);
  std::size_t at = octets.find(line);
  while (at != std::string_view::npos) {
    const std::size_t begin = at + line.size();
    at = octets.find(line, begin);
    parts.push_back(octets.substr(begin, at == std::string_view::npos ? at : at - begin));
  }
  return parts;
}

void check_dsn(const Dsn& dsn, const DsnRequest& request) {
  const std::string_view octets = dsn.octets;
  const Scan scan = scan_lines(octets);
  FUZZ_CHECK(!scan.has_bare_newline && !scan.has_nul, "lines of text");
  FUZZ_CHECK(!scan.has_long_line(), "no line is too long");
  FUZZ_CHECK(octets.ends_with("--\r\n"), "it ends with a boundary");
  const std::size_t end = find_header_end(octets);
  FUZZ_CHECK(end != std::string_view::npos, "a header");
  FUZZ_CHECK(dsn.needs_smtputf8 || !has_eight_bit(octets.substr(0, end)),
             "8-bit in the header needs SMTPUTF8");
  const std::string_view header = octets.substr(0, end);
  std::size_t fields = 0;
  HeaderScanner scanner(header);
  Field field;
  for (auto more = scanner.next(field); more && *more; more = scanner.next(field)) ++fields;
  FUZZ_CHECK(scanner.consumed() == end && fields >= 9 && fields <= 10, "the fields that we wrote");

  const std::size_t mark = header.find("boundary=\"") + 10;
  const std::string_view boundary = header.substr(mark, header.find('"', mark) - mark);
  const auto parts = parts_of(octets, boundary);
  FUZZ_CHECK(parts.size() == 4, "three parts and the end");
  FUZZ_CHECK(parts[3] == "--\r\n", "the last boundary closes");

  const std::size_t status_begin = find_header_end(parts[1].substr(2));
  FUZZ_CHECK(status_begin != std::string_view::npos, "the report has a header");
  std::string_view status = parts[1].substr(2 + status_begin);
  const std::size_t shown = std::min(request.recipients.size(), kDsnRecipientsMax);
  const std::string lined = "\r\n" + std::string(status);
  FUZZ_CHECK(count(lined, "\r\nFinal-Recipient:") == shown, "each recipient once");
  FUZZ_CHECK(count(lined, "\r\nAction:") == shown, "each with what happened");
  FUZZ_CHECK(count(lined, "\r\nStatus: ") == shown, "and one status");
  FUZZ_CHECK(count(lined, "\r\nReporting-MTA:") == 1, "one reporter");
  // Blocks of fields, a blank line between two of them (RFC 3464 §2.1).
  std::size_t blocks = 0;
  while (!status.empty()) {
    HeaderScanner block(status);
    std::size_t n = 0;
    for (auto more = block.next(field); more && *more; more = block.next(field)) ++n;
    FUZZ_CHECK(n > 0, "only fields");
    ++blocks;
    status.remove_prefix(block.consumed());
    FUZZ_CHECK(status.empty() || block.has_blank_line(), "only fields and blank lines");
  }
  FUZZ_CHECK(blocks == shown + 1, "a block for each recipient");

  const auto short_lines = convert(octets, Conversion::ShortLines);
  FUZZ_CHECK(!short_lines || *short_lines == octets, "it can travel as it is");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  Meta meta;
  DsnRequest request;
  const std::uint8_t flags = input.octet();
  request.kind = static_cast<DsnKind>(flags % 5);
  request.is_original_whole = (flags & 8) != 0;
  meta.envelope.smtputf8 = (flags & 16) != 0;
  meta.envelope.ret = static_cast<Return>((flags >> 5) % 3);
  request.host = "relay.test";
  request.id = {3, 4};
  request.original_id = {1, 2};
  request.now = base::from_unix_us(1'800'000'000'000'000);
  request.will_retry_until = request.now;
  request.meta = &meta;
  meta.details.received = base::from_unix_us(static_cast<std::int64_t>(input.u64()));
  meta.envelope.reverse_path = input.text();
  meta.envelope.envid = input.text();
  meta.details.subject = input.text();
  meta.details.message_id = input.text();
  for (std::uint8_t n = input.octet() % 5; n > 0; --n) {
    DsnRecipient recipient;
    const std::uint8_t about = input.octet();
    // "Repeat" reaches lengths that a fuzzer does not type.
    const unsigned repeat = (about & 1) != 0 ? 30 : 1;
    recipient.address = input.text();
    recipient.orcpt = input.text();
    recipient.remote_host = input.text();
    recipient.is_local = (about & 2) != 0;
    if ((about & 4) != 0) recipient.remote_address = "192.0.2.1";
    recipient.reply.code = static_cast<std::uint16_t>(200 + input.octet() * 2);
    if ((about & 8) != 0) recipient.reply.code = 0;
    if ((about & 16) != 0) recipient.reply.enhanced = {5, input.octet(), input.octet()};
    const std::string_view line = input.text();
    std::string words;
    for (unsigned i = 0; i < repeat; ++i) words += line;
    recipient.reply.lines.push_back(std::move(words));
    if ((about & 32) != 0) recipient.status = {4, 4, 7};
    if ((about & 64) != 0) recipient.last_attempt = meta.details.received;
    request.recipients.push_back(std::move(recipient));
  }
  if (request.recipients.empty()) request.recipients.emplace_back().address = "a@b.test";
  const std::string original(input.rest());
  request.original = original;
  check_dsn(compose_dsn(request), request);
  return 0;
}
