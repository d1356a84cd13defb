// DNS answers as libunbound hands them over: whatever the record data says, names are names,
// lists are bounded, and what was read can be written as it was.
#include <unbound.h>

#include <vector>

#include "ekiden/base/text.hpp"
#include "ekiden/dns/cache.hpp"
#include "ekiden/dns/name.hpp"
#include "ekiden/dns/records.hpp"
#include "ekiden/dns/unbound_context.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using namespace ekiden;
using namespace ekiden::dns;

void check_name(const std::string& name) {
  FUZZ_CHECK(name.size() <= kNameOctetsMax, "a name is bounded");
  for (const char c : name) FUZZ_CHECK(c > ' ' && c < '\x7f', "a name is printable ASCII");
  const auto wire = wire_of_name(name);
  FUZZ_CHECK(wire, "a name can go on the wire");
  std::string_view rest = *wire;
  const auto again = take_name(rest);
  FUZZ_CHECK(again && *again == name && rest.empty(), "and comes back");
}

Answer alone(const Answer& answer, std::size_t i) {
  Answer one = answer;
  one.rdata = {answer.rdata[i]};
  return one;
}

void check_records(const Answer& answer) {
  FUZZ_CHECK(addresses_of(answer).size() <= kRecordsMax, "addresses are bounded");
  FUZZ_CHECK(mx_of(answer).size() <= kRecordsMax, "exchanges are bounded");
  FUZZ_CHECK(texts_of(answer).size() <= kRecordsMax, "texts are bounded");
  FUZZ_CHECK(names_of(answer).size() <= kRecordsMax, "names are bounded");
  for (std::size_t i = 0; i < answer.rdata.size(); ++i) {
    const Answer one = alone(answer, i);
    const std::string& rdata = answer.rdata[i];
    for (const net::Address& address : addresses_of(one)) {
      FUZZ_CHECK(rdata_of_address(address.to_string()) == rdata, "an address is written back");
    }
    for (const Mx& mx : mx_of(one)) {
      check_name(mx.host);
      const auto written = rdata_of_mx(mx.preference, mx.host);
      FUZZ_CHECK(written && written->substr(0, 2) == rdata.substr(0, 2) &&
                     base::equals_ignoring_case(*written, rdata),
                 "an exchange is written back");
    }
    for (const std::string& name : names_of(one)) check_name(name);
    for (const std::string& text : texts_of(one)) {
      FUZZ_CHECK(text.size() < rdata.size(), "a text lies in its record");
      Answer again = one;
      again.rdata = {rdata_of_text(text)};
      FUZZ_CHECK(texts_of(again) == std::vector<std::string>{text}, "a text is written back");
    }
  }
}

void check_cache(const Answer& answer, fuzz::Input names) {
  Cache::Options options;
  options.entries_max = 3;
  options.octets_max = 2000;
  Cache cache(options);
  base::Steady now{};
  for (int i = 0; i < 8; ++i) {
    const std::string name(names.text());
    cache.insert(name, Type::MX, answer, now);
    FUZZ_CHECK(cache.size() <= options.entries_max && cache.octets() <= options.octets_max,
               "a cache is bounded");
    if (const auto found = cache.find(name, Type::MX, now)) {
      FUZZ_CHECK(found->rdata == answer.rdata && found->status == answer.status, "as it was put");
      FUZZ_CHECK(found->ttl_s >= 1 && found->ttl_s <= options.ttl_max_s, "for a bounded time");
    }
    now += std::chrono::seconds(2);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const std::uint8_t flags = input.octet();
  ub_result result{};
  std::string canonical(input.text());
  result.canonname = canonical.data();
  if ((flags & 128) != 0) result.canonname = nullptr;
  result.qname = canonical.data();
  result.ttl = static_cast<int>(input.u32());
  result.rcode = flags & 7;
  result.havedata = (flags & 8) == 0;
  result.nxdomain = (flags & 16) != 0;
  result.secure = (flags & 32) != 0;
  result.bogus = (flags & 64) != 0;
  std::vector<std::string> records;
  while (!input.is_empty()) records.emplace_back(input.text());
  // "Repeat" reaches the limit, which a fuzzer does not type.
  if (records.size() == 1 && records[0].size() == 4) records.resize(2 * kRecordsMax, records[0]);
  std::vector<char*> pointers;
  std::vector<int> lengths;
  for (std::string& record : records) {
    pointers.push_back(record.data());
    lengths.push_back(static_cast<int>(record.size()));
  }
  pointers.push_back(nullptr);
  lengths.push_back(0);
  result.data = pointers.data();
  result.len = lengths.data();

  const Answer answer = answer_of(result);
  if (answer.status == Status::Ok) {
    FUZZ_CHECK(answer.rdata.size() == records.size(), "every record is handed on");
    FUZZ_CHECK(result.bogus == 0 && result.rcode == 0, "good is only what was good");
  } else {
    FUZZ_CHECK(answer.rdata.empty(), "no data but in a good answer");
    FUZZ_CHECK(addresses_of(answer).empty() && mx_of(answer).empty(), "nor anything read from it");
  }
  FUZZ_CHECK(answer.status != Status::Bogus || !answer.is_secure, "bogus is not secure");
  FUZZ_CHECK(
      (answer.status != Status::Failed && answer.status != Status::Bogus) || !answer.reason.empty(),
      "a failure says why");
  check_records(answer);
  check_cache(answer, fuzz::Input(data, size));

  const std::string name(reinterpret_cast<const char*>(data), size);
  if (const auto wire = wire_of_name(name)) {
    FUZZ_CHECK(wire->size() <= kNameOctetsMax, "a name on the wire is bounded");
    std::string_view rest = *wire;
    const auto again = take_name(rest);
    FUZZ_CHECK(again && *again == canonical_name(name) && rest.empty(), "and comes back");
  }
  return 0;
}
