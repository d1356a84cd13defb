// A whole inbound session, from octets to the spool, with a clock and a stream that do as told.
// Every message that the spool has was answered 250 and the other way round; what it has is well
// formed; nothing is held when the client has gone.
//
// Octets: options, admission, how to split, then what the client says. A NUL inside is a NUL; 0x01
// 0x02 stands for "wait for the reply", because DATA wants that.
#include "ekiden/message/envelope.hpp"
#include "ekiden/message/header_scan.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/support/inbound_bench.hpp"

namespace {

using namespace ekiden;

std::shared_ptr<inbound::ListenerOptions> options_from(std::uint8_t flags, std::uint8_t limits) {
  auto options = std::make_shared<inbound::ListenerOptions>();
  options->service = static_cast<inbound::Service>(flags % 3);
  options->trusted_networks = {*net::parse_address_block("192.0.2.0/24")};
  options->bare_newlines = (flags & 8) != 0 ? smtp::BareNewlines::Fix : smtp::BareNewlines::Refuse;
  options->long_lines = (flags & 16) != 0 ? inbound::LongLines::Refuse : inbound::LongLines::Encode;
  options->hides_submitter = (flags & 32) != 0;
  inbound::InboundDomain domain;
  domain.check = (flags & 64) != 0 ? inbound::RecipientCheck::Any : inbound::RecipientCheck::Verify;
  domain.next_hop = "10.0.0.5:25";
  options->domains["d.example"] = domain;
  constexpr std::uint64_t kSizes[] = {50 << 20, 0, 200, 2000};
  constexpr std::size_t kLarge[] = {1 << 20, 50, 500, 5000};
  options->limits.message_octets = kSizes[limits & 3];
  options->large_octets = kLarge[limits >> 2 & 3];
  options->limits.recipients_per_message = (limits & 16) != 0 ? 2 : 1000;
  options->limits.messages_per_connection = (limits & 32) != 0 ? 2 : 0;
  options->limits.received_fields = 5;
  return options;
}

std::size_t count(std::string_view text, std::string_view part) {
  std::size_t n = 0;
  for (std::size_t at = text.find(part); at != std::string_view::npos;
       at = text.find(part, at + part.size())) {
    ++n;
  }
  return n;
}

void check_message(const spool::NewMessage& message, const std::string& octets) {
  const auto meta = message::decode_meta(message.meta);
  FUZZ_CHECK(meta, "what is kept beside it can be read");
  FUZZ_CHECK(meta->envelope.recipients.size() == message.recipients && message.recipients > 0,
             "a message is for somebody");
  FUZZ_CHECK(message.body.size == octets.size() && meta->details.size == octets.size(),
             "its size is its size");
  FUZZ_CHECK(meta->details.is_eight_bit == message::has_eight_bit(octets), "8-bit is seen");
  FUZZ_CHECK(octets.starts_with("Received: "), "every hop leaves its mark");
  if (meta->envelope.body != message::BodyType::BinaryMime) {
    FUZZ_CHECK(!fuzz::has_bare_newline(octets, true), "lines end with CRLF");
  }
  for (const message::Recipient& recipient : meta->envelope.recipients) {
    for (const char c : recipient.address) {
      FUZZ_CHECK(static_cast<unsigned char>(c) >= 0x20 && c != '\x7f', "no control characters");
    }
  }
}

void check_output(std::string_view said) {
  FUZZ_CHECK(said.empty() || said.ends_with("\r\n"), "replies are whole lines");
  FUZZ_CHECK(!fuzz::has_bare_newline(said), "replies are lines");
  FUZZ_CHECK(fuzz::longest_line(said) <= 510, "RFC 5321 §4.5.3.1.5");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const std::uint8_t flags = input.octet();
  const std::uint8_t limits = input.octet();
  const std::uint8_t split = input.octet();
  const std::uint8_t end = input.octet();
  test::InboundBench bench(options_from(flags, limits));
  bench.spool.accepts_messages = (limits & 64) == 0;
  if ((limits & 128) != 0) bench.spool.refusal = spool::Errc::Io;
  const auto peer = bench.connect();
  std::string_view rest = input.rest();
  constexpr std::string_view kWait = "\x01\x02";
  while (!rest.empty() && !peer->is_closed) {
    const std::size_t mark = rest.find(kWait);
    fuzz::cut(rest.substr(0, mark), split, [&](std::string_view piece) {
      peer->send(piece);
      bench.settle();
      return !peer->is_closed;
    });
    rest.remove_prefix(mark == std::string_view::npos ? rest.size() : mark + kWait.size());
  }
  if (end % 3 == 0) peer->end();
  if (end % 3 == 1) peer->reset();
  bench.settle();
  for (int i = 0; i < 4; ++i) bench.advance(std::chrono::minutes(10));
  FUZZ_CHECK(peer->is_closed, "a session ends");
  check_output(peer->received);
  FUZZ_CHECK(
      count(peer->received, "Ok: queued as ") == bench.spool.messages.size() || peer->is_reset,
      "answered 250 is in the spool, and nothing else");
  FUZZ_CHECK(bench.intake.taken.size() == bench.spool.messages.size(),
             "what is in the spool is in the queue");
  FUZZ_CHECK(bench.spool.unfinished_files == 0, "no file is left half written");
  std::uint64_t kept = 0;
  for (const spool::NewMessage& message : bench.spool.messages) {
    check_message(message, bench.spool.octets(message.body));
    if (message.body.is_in_memory()) kept += message.body.size;
  }
  FUZZ_CHECK(bench.intake.reserved <= kept, "nothing is reserved for who has gone");
  return 0;
}
