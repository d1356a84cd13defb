// A SOCKS5 proxy's answers: the same result at every split, never an octet too many, nothing asked
// before it was allowed to. Octets: split, whether there is a login, whether the peer has IPv6.
#include "ekiden/net/socks5.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using namespace ekiden;
using namespace ekiden::net;

struct Talk {
  bool is_refused = false, is_connected = false;
  std::size_t octets = 0;
  std::string said;
};

Talk talk(std::string_view input, std::uint8_t split, bool has_login, bool is_v6) {
  std::optional<Socks5Login> login;
  if (has_login) login = Socks5Login{"mail1", "secret"};
  Socks5Client client(*parse_endpoint(is_v6 ? "[2001:db8::1]:25" : "192.0.2.1:25"), login);
  Talk out;
  out.said = client.take_output();
  fuzz::cut(input, split, [&](std::string_view piece) {
    while (!piece.empty() && client.wanted() > 0) {
      FUZZ_CHECK(client.take_output().empty(), "one answer at a time");
      const std::string_view part = piece.substr(0, client.wanted());
      piece.remove_prefix(part.size());
      out.octets += part.size();
      FUZZ_CHECK(out.octets <= 2 + 2 + 2 + 3 + 257, "what a proxy says is bounded");
      if (!client.feed(part)) {
        out.is_refused = true;
        return false;
      }
      out.said += client.take_output();
    }
    return client.wanted() > 0;
  });
  out.is_connected = !out.is_refused && client.wanted() == 0;
  FUZZ_CHECK(!out.is_connected || client.has_asked(), "nobody is connected unasked");
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const std::uint8_t split = input.octet();
  const bool has_login = input.flag(), is_v6 = input.flag();
  const std::string_view octets = input.rest();
  const Talk whole = talk(octets, 0, has_login, is_v6);
  const Talk pieces = talk(octets, split, has_login, is_v6);
  FUZZ_CHECK(whole.is_refused == pieces.is_refused && whole.is_connected == pieces.is_connected,
             "the split does not matter");
  FUZZ_CHECK(whole.said == pieces.said, "nor for what is said");
  if (!whole.is_refused) FUZZ_CHECK(whole.octets == pieces.octets, "nor for where it ends");
  if (has_login && octets.substr(0, 2) != std::string_view("\x05\x02", 2)) {
    FUZZ_CHECK(whole.said.find("secret") == std::string::npos, "who wants no login gets none");
  }
  return 0;
}
