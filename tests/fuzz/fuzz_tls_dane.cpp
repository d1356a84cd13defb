// TLSA records as the DNS gives them and as people type them: what is usable has the length of its
// digest or is read whole, text means what its octets mean, and no set of records passes for
// another in the key of a TLS session.
#include <vector>

#include "ekiden/base/text.hpp"
#include "ekiden/dns/records.hpp"
#include "ekiden/tls/dane.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using namespace ekiden;

void check_one(const dns::Tlsa& tlsa) {
  const std::string text = std::to_string(tlsa.usage) + " " + std::to_string(tlsa.selector) + " " +
                           std::to_string(tlsa.matching) + " " + base::encode_hex(tlsa.data);
  FUZZ_CHECK(dns::parse_tlsa(text) == tlsa, "a record is the same as text");
  if (!tls::is_usable(tlsa)) return;
  FUZZ_CHECK(tlsa.usage == 2 || tlsa.usage == 3, "SMTP knows two usages");
  FUZZ_CHECK(tlsa.selector <= 1 && tlsa.matching <= 2, "what is usable is known");
  FUZZ_CHECK(tlsa.matching != 1 || tlsa.data.size() == 32, "SHA-256");
  FUZZ_CHECK(tlsa.matching != 2 || tlsa.data.size() == 64, "SHA-512");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  if (input.flag()) {
    if (const auto tlsa = dns::parse_tlsa(input.rest())) check_one(*tlsa);
    return 0;
  }
  dns::Answer answer;
  answer.status = dns::Status::Ok;
  while (!input.is_empty()) answer.rdata.emplace_back(input.text());
  const std::vector<dns::Tlsa> records = dns::tlsa_of(answer);
  bool has_usable = false;
  std::size_t next = 0;
  for (const std::string& rdata : answer.rdata) {
    if (rdata.size() <= 3 || next == records.size()) continue;
    FUZZ_CHECK(dns::rdata_of_tlsa(records[next++]) == rdata, "a record is written back");
  }
  for (const dns::Tlsa& tlsa : records) {
    check_one(tlsa);
    has_usable |= tls::is_usable(tlsa);
  }
  const tls::Dane dane{"mx.example", {}, records};
  const auto result = tls::verify_dane(dane, "no certificate", base::Time{});
  FUZZ_CHECK(has_usable != result.has_value(), "unusable, or no chain to hold to them");
  if (!records.empty()) {
    tls::Dane fewer = dane;
    fewer.records.pop_back();
    FUZZ_CHECK(tls::dane_key(fewer) != tls::dane_key(dane), "the key names every record");
  }
  return 0;
}
