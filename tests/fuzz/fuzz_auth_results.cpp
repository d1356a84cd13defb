// Authentication-Results: what is removed is ours, what stays is not, octets stay as they were; and
// no value that we write breaks out of its place.
#include "ekiden/auth/authentication_results.hpp"
#include "ekiden/message/header_scan.hpp"
#include "tests/fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ekiden;
  constexpr std::string_view kId = "mx.example.org";
  const std::string octets(reinterpret_cast<const char*>(data), size);
  const std::string kept = auth::remove_forged_results(octets, kId);
  FUZZ_CHECK(kept.size() <= octets.size(), "nothing is added");
  FUZZ_CHECK(auth::remove_forged_results(kept, kId) == kept, "once is enough");
  const std::string collected = auth::collect_results(octets, kId);
  FUZZ_CHECK(collected.find_first_of("\r\n") == std::string::npos, "results stand on one line");
  FUZZ_CHECK(kept == octets || octets.find(':') != std::string::npos, "only fields are removed");

  // One hostile text in every place.
  const std::vector<auth::MethodResult> results = {
      {octets, auth::Verdict::Fail, octets, {{octets, octets, octets}}}};
  const std::string field = auth::format_authentication_results(octets, results);
  FUZZ_CHECK(!fuzz::has_bare_newline(field), "lines end with CRLF");
  message::HeaderScanner scanner(field);
  message::Field first, second;
  FUZZ_CHECK(scanner.next(first).value(), "what is written is a field");
  FUZZ_CHECK(!scanner.next(second).value(), "and only one");
  std::string value(first.value);
  bool is_quoted = false;
  std::size_t semicolons = 0;
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (is_quoted && value[i] == '\\') {
      ++i;
    } else if (value[i] == '"') {
      is_quoted = !is_quoted;
    } else if (!is_quoted) {
      semicolons += value[i] == ';' ? 1 : 0;
      FUZZ_CHECK(value[i] != '(' && value[i] != ')', "no value becomes a comment");
    }
  }
  FUZZ_CHECK(!is_quoted, "quotes are closed");
  FUZZ_CHECK(semicolons == 1, "one result stays one result");
  return 0;
}
