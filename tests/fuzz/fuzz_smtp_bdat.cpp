// BDAT: chunks of any sizes and any octets. A binary message arrives to the octet, a text with
// bare newlines never does, and the commands between the chunks are never taken for content.
//
// After three octets of options the input is chunks: an octet of flags (1: LAST, 2: NOOP behind
// it), an octet of length, and that many octets.
#include <vector>

#include "ekiden/smtp/server_dialogue.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using namespace ekiden::smtp;

struct Heard {
  std::string said;
  std::vector<std::string> messages;
  bool is_closed = false;
  friend bool operator==(const Heard&, const Heard&) = default;
};

Heard converse(const ServerOptions& options, std::string_view octets, std::uint8_t split) {
  ServerDialogue dialogue(options);
  Heard heard;
  std::string body;
  const auto perform = [&](Action action) {
    while (!std::holds_alternative<NeedInput>(action)) {
      Event event = Continue{};
      if (std::holds_alternative<Close>(action)) {
        heard.is_closed = true;
        break;
      }
      if (std::holds_alternative<AdmitMail>(action) || std::holds_alternative<AdmitRcpt>(action)) {
        event = Verdict{{250, {2, 0, 0}, {"Ok"}}};
      } else if (std::holds_alternative<AdmitData>(action)) {
        event = Verdict{{354, {}, {"Go"}}};
      } else if (std::holds_alternative<BodyPart>(action)) {
        body += dialogue.take_body();
      } else if (std::holds_alternative<BodyComplete>(action)) {
        body += dialogue.take_body();
        heard.messages.push_back(std::exchange(body, {}));
        event = Stored{{250, {2, 0, 0}, {"Stored"}}};
      }
      action = dialogue.resume(std::move(event));
    }
    heard.said += dialogue.take_output();
  };
  perform(dialogue.resume(Connected{}));
  ekiden::fuzz::cut(octets, split, [&](std::string_view piece) {
    perform(dialogue.resume(Input{piece}));
    return !heard.is_closed;
  });
  return heard;
}

bool is_good_text(const std::string& text) {
  DataReader reader(BareNewlines::Refuse, Framing::Raw);
  std::string body;
  return reader.feed(text, body) && !reader.ends_in_bare_cr();
}

std::size_t count(std::string_view text, std::string_view part) {
  std::size_t n = 0;
  for (std::size_t at = text.find(part); at != std::string_view::npos;
       at = text.find(part, at + 1)) {
    ++n;
  }
  return n;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ekiden::fuzz::Input input(data, size);
  const std::uint8_t flags = input.octet();
  const std::uint8_t split = input.octet();
  const bool is_binary = (flags & 1) != 0;
  ServerOptions options;
  options.hostname = "relay.test";
  options.errors_max = 1000;
  options.chunk_octets = (flags & 2) != 0 ? 16 : 1 << 20;
  options.size_max = (flags & 4) != 0 ? 600 : 0;

  std::string wire = "EHLO c\r\nMAIL FROM:<a@b.test>";
  wire += is_binary ? " BODY=BINARYMIME\r\n" : "\r\n";
  wire += "RCPT TO:<c@d.test>\r\n";
  std::string message;
  std::size_t noops = 0;
  bool is_last = false;
  while (!input.is_empty() && !is_last) {
    const std::uint8_t chunk = input.octet();
    const std::string_view content = input.text();
    is_last = (chunk & 1) != 0;
    wire += "BDAT " + std::to_string(content.size()) + (is_last ? " LAST\r\n" : "\r\n");
    wire += content;
    message += content;
    if ((chunk & 2) != 0 && !is_last) {
      wire += "NOOP\r\n";
      ++noops;
    }
  }
  if (!is_last) wire += "BDAT 0 LAST\r\n";
  wire += "VRFY end\r\n";

  const Heard whole = converse(options, wire, 0);
  FUZZ_CHECK(whole == converse(options, wire, split), "the split does not matter");
  const bool fits = options.size_max == 0 || message.size() <= options.size_max;
  if (!fits) {
    FUZZ_CHECK(whole.messages.empty(), "too big is too big");
    return 0;
  }
  FUZZ_CHECK(!whole.is_closed, "chunks do not end a connection");
  FUZZ_CHECK(whole.said.ends_with("252 2.5.0 Cannot verify; send the message and see\r\n"),
             "behind the last chunk come commands again");
  const bool is_good = is_binary || is_good_text(message);
  FUZZ_CHECK(whole.messages.size() == (is_good ? 1U : 0U), "good text is taken, other text is not");
  if (is_good) {
    FUZZ_CHECK(whole.messages[0] == message, "to the octet");
    FUZZ_CHECK(count(whole.said, "250 2.0.0 Ok\r\n") == noops + 2, "every command is answered");
  }
  return 0;
}
