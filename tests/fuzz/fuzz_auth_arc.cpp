// ARC sets from outside: bounded work, one status, and a chain that passes has whole sets. What a
// sealer puts in front of any message is one more set, or nothing.
#include "ekiden/auth/arc_sealer.hpp"
#include "ekiden/auth/arc_validator.hpp"
#include "ekiden/auth/authentication_results.hpp"
#include "ekiden/dns/records.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace ekiden;

namespace {

const auth::PrivateKey& key() {
  static const auth::PrivateKey kKey =
      auth::PrivateKey::read_ed25519_seed("an example of 32 octets, no more").value();
  return kKey;
}

auth::ArcResult validate(std::string_view header, std::string_view body) {
  auth::ArcValidator validator;
  validator.begin(header);
  validator.update_body(body);
  validator.finish_body();
  const auto names = validator.key_names();
  FUZZ_CHECK(names.size() <= auth::kArcSetsMax + 1, "questions to the DNS are bounded");
  dns::Answer answer;
  answer.status = dns::Status::Ok;
  answer.rdata.push_back(dns::rdata_of_text(key().to_record().value()));
  const auto keys = std::make_shared<const auth::KeyAnswer>(auth::read_key_answer(answer));
  return validator.verify(std::vector<auth::KeyAnswerPointer>(names.size(), keys));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string octets(reinterpret_cast<const char*>(data), size);
  const std::size_t end = std::min(message::find_header_end(octets), octets.size());
  const std::string header = octets.substr(0, end), body = octets.substr(end);
  const auth::ArcResult before = validate(header, body);
  FUZZ_CHECK(before.instance <= auth::kArcSetsMax, "instances are bounded");
  FUZZ_CHECK((before.status == auth::ArcStatus::Fail) == !before.reason.empty(),
             "a failure has a reason");

  auth::ArcSealerOptions options;
  options.identity = {"example.org", "s", key(), ""};
  options.authserv_id = "mx.example.org";
  auth::ArcSealer sealer(options);
  if (!sealer.begin(header)) return 0;
  sealer.update_body(body);
  const std::string set =
      sealer.finish(before, auth::collect_results(header, "mx.example.org")).value();
  if (set.empty()) return 0;
  const auth::ArcResult after = validate(set + header, body);
  FUZZ_CHECK(
      after.instance == before.instance + 1 || after.reason.find("too large") != std::string::npos,
      "a seal adds one set");
  // A header section near its limit has no room for the set.
  FUZZ_CHECK(before.status == auth::ArcStatus::Fail || after.status == auth::ArcStatus::Pass ||
                 set.size() + header.size() > message::kHeaderOctetsMax,
             "what we seal, we accept");
  return 0;
}
