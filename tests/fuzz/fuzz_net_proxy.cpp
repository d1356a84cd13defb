// PROXY headers, both versions: the same result at every split, never an octet too many, and what
// is understood can be said again.
#include "ekiden/net/proxy_protocol.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using namespace ekiden;
using namespace ekiden::net;

struct Read {
  bool is_refused = false, is_complete = false;
  std::size_t octets = 0;
  ProxyHeader header;
};

bool same(const std::optional<Endpoint>& a, const std::optional<Endpoint>& b) {
  if (!a || !b) return a.has_value() == b.has_value();
  return a->address == b->address && a->port == b->port;
}

Read read(std::string_view input, std::uint8_t split) {
  ProxyHeaderReader reader;
  Read out;
  fuzz::cut(input, split, [&](std::string_view piece) {
    while (!piece.empty() && reader.wanted() > 0) {
      const std::string_view part = piece.substr(0, reader.wanted());
      piece.remove_prefix(part.size());
      out.octets += part.size();
      FUZZ_CHECK(out.octets <= ProxyHeaderReader::kV2OctetsMax, "a header is bounded");
      if (!reader.feed(part)) {
        out.is_refused = true;
        return false;
      }
    }
    return reader.wanted() > 0;
  });
  if (out.is_refused) return out;
  out.is_complete = reader.wanted() == 0;
  if (out.is_complete) out.header = reader.header();
  return out;
}

void check_again(const ProxyHeader& header) {
  FUZZ_CHECK(header.source.has_value() == header.destination.has_value(), "both or none");
  if (!header.source) return;
  FUZZ_CHECK(!header.source->address.is_v6() || !header.source->address.to_v6().is_v4_mapped(),
             "an IPv4 address has one form");
  const bool is_v6 = header.source->address.is_v6();
  if (is_v6 != header.destination->address.is_v6()) return;  // one of two was mapped
  const std::string line =
      std::string("PROXY ") + (is_v6 ? "TCP6 " : "TCP4 ") + header.source->address.to_string() +
      " " + header.destination->address.to_string() + " " + std::to_string(header.source->port) +
      " " + std::to_string(header.destination->port) + "\r\n";
  const Read again = read(line, 0);
  FUZZ_CHECK(again.is_complete && again.octets == line.size(), "it can be said in version 1");
  FUZZ_CHECK(same(again.header.source, header.source) &&
                 same(again.header.destination, header.destination),
             "and means the same");
  const std::string octets = format_proxy_header(*header.source, *header.destination);
  const Read binary = read(octets, 0);
  FUZZ_CHECK(binary.is_complete && binary.octets == octets.size(), "and in version 2");
  FUZZ_CHECK(same(binary.header.source, header.source) &&
                 same(binary.header.destination, header.destination),
             "with the same meaning");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const std::uint8_t split = input.octet();
  const std::string_view octets = input.rest();
  const Read whole = read(octets, 0);
  const Read pieces = read(octets, split);
  FUZZ_CHECK(whole.is_refused == pieces.is_refused && whole.is_complete == pieces.is_complete,
             "the split does not matter");
  if (!whole.is_complete) return 0;
  FUZZ_CHECK(whole.octets == pieces.octets, "nor for where it ends");
  FUZZ_CHECK(same(whole.header.source, pieces.header.source), "nor for whom it names");
  if (octets.starts_with("PROXY ")) {
    FUZZ_CHECK(octets.substr(0, whole.octets).ends_with("\r\n"), "version 1 is a line");
    FUZZ_CHECK(octets.substr(0, whole.octets).find('\n') == whole.octets - 1, "one line");
    if (whole.header.source) {
      FUZZ_CHECK(octets.substr(0, whole.octets).find('\0') == std::string_view::npos,
                 "an address is text to its end");
    }
  }
  check_again(whole.header);
  return 0;
}
