// Octets from a server: the same replies however they are split, within bounds, and readable again
// after we have written them down.
#include <vector>

#include "ekiden/base/text.hpp"
#include "ekiden/smtp/peer_extensions.hpp"
#include "ekiden/smtp/reply_parser.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using namespace ekiden::smtp;

struct Read {
  std::vector<Reply> replies;
  ReplyStatus last = ReplyStatus::Incomplete;
};

Read read(std::string_view octets, std::uint8_t split) {
  ReplyParser parser;
  Read read;
  ekiden::fuzz::cut(octets, split, [&](std::string_view piece) {
    while (!piece.empty()) {
      const std::size_t before = piece.size();
      read.last = parser.feed(piece);
      if (read.last == ReplyStatus::Incomplete) {
        FUZZ_CHECK(piece.empty(), "an incomplete reply takes all there is");
        break;
      }
      if (read.last != ReplyStatus::Complete) return false;
      FUZZ_CHECK(piece.size() < before, "a reply takes something");
      read.replies.push_back(parser.take());
      FUZZ_CHECK(parser.is_between_replies(), "after a reply comes another");
      read.last = ReplyStatus::Incomplete;
    }
    return true;
  });
  return read;
}

std::string_view without_spaces(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  return text;
}

void check(const Reply& reply) {
  FUZZ_CHECK(reply.code >= 200 && reply.code <= 599, "a reply has a code");
  FUZZ_CHECK(!reply.lines.empty() && reply.lines.size() <= ReplyParser::kLinesMax, "some lines");
  bool is_short = true;
  for (const std::string& line : reply.lines) {
    FUZZ_CHECK(ekiden::base::printable(line, SIZE_MAX) == line, "nothing that a terminal obeys");
    is_short = is_short && line.size() <= 400;
  }
  (void)parse_peer_extensions(reply);

  std::string wire;
  append_reply(wire, reply);
  FUZZ_CHECK(!ekiden::fuzz::has_bare_newline(wire), "a reply is lines");
  FUZZ_CHECK(ekiden::fuzz::longest_line(wire) <= 510, "RFC 5321 §4.5.3.1.5: 512 octets a line");
  const Read again = read(wire, 0);
  FUZZ_CHECK(again.replies.size() == 1 && again.replies[0].code == reply.code &&
                 again.replies[0].lines.size() == reply.lines.size(),
             "a reply is one reply again");
  const Reply& second = again.replies[0];
  if (reply.enhanced) FUZZ_CHECK(second.enhanced == reply.enhanced, "the enhanced code stays");
  if (is_short && second.enhanced == reply.enhanced) {
    for (std::size_t i = 0; i < reply.lines.size(); ++i) {
      FUZZ_CHECK(without_spaces(second.lines[i]) == without_spaces(reply.lines[i]),
                 "the words stay");
    }
  }

  const std::string text = reply.text();
  const Reply stored = parse_reply_text(text);
  FUZZ_CHECK(stored.code == reply.code, "the stored text keeps the code");
  if (reply.enhanced) {
    FUZZ_CHECK(stored.enhanced == reply.enhanced, "the stored text keeps the enhanced code");
    FUZZ_CHECK(ekiden::base::trimmed(stored.text()) == ekiden::base::trimmed(text),
               "the stored text is stable");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ekiden::fuzz::Input input(data, size);
  const std::uint8_t split = input.octet();
  const Read whole = read(input.rest(), 0);
  const Read pieces = read(input.rest(), split);
  FUZZ_CHECK(whole.last == pieces.last, "the end does not depend on the split");
  FUZZ_CHECK(whole.replies.size() == pieces.replies.size(), "nor the number of replies");
  for (std::size_t i = 0; i < whole.replies.size(); ++i) {
    const Reply &a = whole.replies[i], &b = pieces.replies[i];
    FUZZ_CHECK(a.code == b.code && a.enhanced == b.enhanced && a.lines == b.lines,
               "nor what they say");
    check(a);
  }
  // The same octets as a text out of the spool.
  const Reply stored = parse_reply_text(input.rest());
  (void)stored.text();
  return 0;
}
