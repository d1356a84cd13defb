// A message from outside, with its key records behind the first octets: every signature gets a
// verdict, work is bounded, splits change nothing, and nothing that was not made with the key
// passes.
//
// Octets: how the body is cut; the length of a key record and the record; then the message.
#include "ekiden/auth/dkim_verifier.hpp"
#include "ekiden/dns/records.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace ekiden;

namespace {

std::vector<auth::DkimResult> verify(std::string_view octets, std::uint8_t seed,
                                     const std::string& record) {
  auth::DkimVerifierOptions options;
  options.now = base::Time(std::chrono::seconds(1'795'305'600));
  auth::DkimVerifier verifier(options);
  const std::size_t end = std::min(message::find_header_end(octets), octets.size());
  {
    // The header's octets are not needed longer than the call.
    const std::string header(octets.substr(0, end));
    verifier.begin(header);
  }
  fuzz::cut(octets.substr(end), seed, [&](std::string_view piece) {
    verifier.update_body(piece);
    return true;
  });
  verifier.finish_body();
  const auto names = verifier.key_names();
  FUZZ_CHECK(names.size() <= auth::kDkimSignaturesMax, "questions to the DNS are bounded");
  dns::Answer answer;
  answer.status = dns::Status::Ok;
  answer.rdata.push_back(dns::rdata_of_text(record));
  const auto key = std::make_shared<const auth::KeyAnswer>(auth::read_key_answer(answer));
  return verifier.verify(std::vector<auth::KeyAnswerPointer>(names.size(), key));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const std::uint8_t seed = input.octet();
  const std::string record(input.text());
  const std::string octets(input.rest());
  const auto whole = verify(octets, 0, record);
  const auto cut = verify(octets, seed, record);
  FUZZ_CHECK(whole.size() == cut.size(), "the same signatures however the body is cut");
  for (std::size_t i = 0; i < whole.size(); ++i) {
    FUZZ_CHECK(whole[i].verdict == cut[i].verdict, "the same verdict however the body is cut");
    FUZZ_CHECK(whole[i].reason == cut[i].reason, "for the same reason");
    FUZZ_CHECK(whole[i].verdict != auth::Verdict::None, "every signature gets a verdict");
    FUZZ_CHECK(whole[i].verdict == auth::Verdict::Pass || !whole[i].reason.empty(),
               "a refusal has a reason");
    FUZZ_CHECK(
        whole[i].domain.find_first_of(std::string_view("\0\"( \r\n", 6)) == std::string::npos,
        "a domain in a report is a domain");
  }
  return 0;
}
