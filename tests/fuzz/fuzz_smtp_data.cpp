// The DATA reader: any split of any octets gives the same result, the result is that of a reader
// written the slow and plain way below, and what we send by DATA arrives as it was.
#include <algorithm>
#include <vector>

#include "ekiden/smtp/data_reader.hpp"
#include "ekiden/smtp/dot_writer.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using namespace ekiden::smtp;

struct Outcome {
  std::string body;
  std::size_t consumed = 0;
  bool is_complete = false, is_refused = false;
  std::size_t longest = 0;
  bool is_eight_bit = false, ends_in_bare_cr = false;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

Outcome read(std::string_view input, BareNewlines bare, Framing framing, std::uint8_t split) {
  DataReader reader(bare, framing);
  Outcome outcome;
  ekiden::fuzz::cut(input, split, [&](std::string_view piece) {
    const auto progress = reader.feed(piece, outcome.body);
    if (!progress) {
      outcome = {};
      outcome.is_refused = true;
      return false;
    }
    outcome.consumed += progress->octets;
    outcome.is_complete = progress->is_complete;
    FUZZ_CHECK(outcome.is_complete || progress->octets == piece.size(), "all is taken");
    return !outcome.is_complete;
  });
  if (outcome.is_refused) return outcome;
  outcome.longest = reader.longest_line();
  outcome.is_eight_bit = reader.is_eight_bit();
  outcome.ends_in_bare_cr = reader.ends_in_bare_cr();
  return outcome;
}

/// The same by the letter of data_reader.hpp, one decision at a time.
Outcome read_plainly(std::string_view input, BareNewlines bare, Framing framing) {
  const bool fixes = bare == BareNewlines::Fix;
  Outcome out;
  Outcome refused;
  refused.is_refused = true;
  bool is_line_start = true;
  std::size_t i = 0;
  const auto at = [&](std::size_t k) { return k < input.size() ? input[k] : '\0'; };
  while (i < input.size()) {
    if (is_line_start && framing == Framing::Dots && input[i] == '.') {
      is_line_start = false;
      ++i;
      if (at(i) != '\r') continue;  // a stuffed dot, gone
      ++i;
      if (i == input.size()) break;  // the end, or not: nobody knows yet
      if (input[i] == '\n') {
        out.is_complete = true;
        ++i;
        break;
      }
      if (!fixes) return refused;
      out.body += "\r\n";
      continue;
    }
    is_line_start = false;
    if (input[i] == '\n') {
      if (!fixes) return refused;
      out.body += "\r\n";
      ++i;
      continue;
    }
    if (input[i] != '\r') {
      out.body += input[i++];
      continue;
    }
    std::size_t end = i;
    while (at(end) == '\r' && end < input.size()) ++end;
    const std::size_t count = end - i;
    i = end;
    if (end == input.size()) {
      for (std::size_t k = 0; k < count; ++k) out.body += fixes && k + 1 < count ? "\r\n" : "\r";
      out.ends_in_bare_cr = true;
    } else if (input[end] == '\n') {
      for (std::size_t k = 0; k + 1 < count; ++k) out.body += fixes ? "\r\n" : "\r";
      out.body += "\r\n";
      is_line_start = true;
      ++i;
    } else {
      if (!fixes) return refused;
      for (std::size_t k = 0; k < count; ++k) out.body += "\r\n";
    }
  }
  out.consumed = i;
  return out;
}

void check_reader(std::string_view input, BareNewlines bare, Framing framing, std::uint8_t split) {
  const Outcome whole = read(input, bare, framing, 0);
  FUZZ_CHECK(read(input, bare, framing, split) == whole, "the split does not matter");
  const Outcome plain = read_plainly(input, bare, framing);
  FUZZ_CHECK(whole.is_refused == plain.is_refused, "refused by the plain reader too");
  if (whole.is_refused) return;
  FUZZ_CHECK(whole.body == plain.body, "the plain reader's message");
  FUZZ_CHECK(whole.is_complete == plain.is_complete && whole.consumed == plain.consumed,
             "the plain reader's end");
  FUZZ_CHECK(framing == Framing::Dots || !whole.is_complete, "chunks have no dot at their end");
  FUZZ_CHECK(whole.ends_in_bare_cr == plain.ends_in_bare_cr, "a CR that waits for its LF");
  FUZZ_CHECK(
      whole.is_eight_bit == std::any_of(whole.body.begin(), whole.body.end(),
                                        [](char c) { return static_cast<signed char>(c) < 0; }),
      "octets above 127 are seen");
  if (!whole.is_complete) return;
  FUZZ_CHECK(whole.longest == ekiden::fuzz::longest_line(whole.body), "the longest line");
  FUZZ_CHECK(whole.body.empty() || whole.body.ends_with("\r\n"), "a message ends its last line");
  FUZZ_CHECK(!ekiden::fuzz::has_bare_newline(whole.body, bare == BareNewlines::Refuse),
             "nothing that another relay could take for a line end");
}

/// Sends `body` as delivery would and reads it back.
void check_round_trip(std::string_view body, std::uint8_t split) {
  DotWriter writer;
  std::string wire;
  ekiden::fuzz::cut(body, split, [&](std::string_view piece) {
    std::vector<std::string_view> pieces;
    writer.append(piece, pieces);
    for (const std::string_view each : pieces) wire += each;
    return true;
  });
  std::vector<std::string_view> last;
  writer.finish(last);
  for (const std::string_view each : last) wire += each;

  if (ekiden::fuzz::has_bare_newline(body, true)) return;  // never goes through DATA
  const Outcome outcome = read(wire, BareNewlines::Refuse, Framing::Dots, 0);
  FUZZ_CHECK(!outcome.is_refused && outcome.is_complete && outcome.consumed == wire.size(),
             "what we send is one message");
  std::string expected(body);
  if (!expected.empty() && !expected.ends_with("\r\n")) expected += "\r\n";
  FUZZ_CHECK(outcome.body == expected, "and arrives as it was");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ekiden::fuzz::Input input(data, size);
  const std::uint8_t split = input.octet();
  for (const BareNewlines bare : {BareNewlines::Refuse, BareNewlines::Fix}) {
    for (const Framing framing : {Framing::Dots, Framing::Raw}) {
      check_reader(input.rest(), bare, framing, split);
    }
  }
  check_round_trip(input.rest(), split);
  return 0;
}
