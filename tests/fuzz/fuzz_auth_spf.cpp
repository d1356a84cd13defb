// SPF records of anybody: what is read is read again and means the same, and an evaluation ends
// with one of SPF's verdicts within its limits, whatever the DNS holds.
//
// The first octet says what A, MX and PTR questions find; then lines: the record of the sender's
// domain first, then those that other TXT questions find, in turn.
#include <algorithm>
#include <vector>

#include "ekiden/auth/spf_check.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/support/auth_rig.hpp"

namespace {

using namespace ekiden;
using namespace ekiden::auth;

/// Answers from the input, on the rig's clock.
class LineResolver final : public dns::Resolver {
 public:
  LineResolver(base::Clock& clock, std::vector<std::string> lines, std::uint8_t flags)
      : clock_(clock), lines_(std::move(lines)), flags_(flags) {}

  void resolve(std::string name, dns::Type type, base::Completion<dns::Answer> done) override {
    FUZZ_CHECK(dns::may_be_asked(name), "only names that can be are asked about");
    dns::Answer answer;
    answer.canonical_name = name;
    answer.status = dns::Status::Ok;
    ++questions;
    if (type == dns::Type::TXT) {
      answer.rdata.push_back(dns::rdata_of_text(lines_[next_++ % lines_.size()]));
    } else if ((flags_ & 1) != 0) {
      answer.status = (flags_ & 2) != 0 ? dns::Status::Failed : dns::Status::NoDomain;
    } else if (type == dns::Type::A) {
      answer.rdata.push_back(*dns::rdata_of_address((flags_ & 4) != 0 ? "192.0.2.1" : "192.0.2.2"));
    } else if (type == dns::Type::MX || type == dns::Type::PTR) {
      for (int i = 0; i < flags_ >> 3; ++i) {
        const std::string host = "h" + std::to_string(i) + ".example.com";
        answer.rdata.push_back(type == dns::Type::MX ? *dns::rdata_of_mx(1, host)
                                                     : *dns::rdata_of_name(host));
      }
    }
    auto give = [answer = std::move(answer), done = std::move(done)]() mutable {
      done(std::move(answer));
    };
    clock_.call_after(base::Duration(0), std::move(give));
  }

  unsigned questions = 0;

 private:
  base::Clock& clock_;
  std::vector<std::string> lines_;
  std::uint8_t flags_;
  std::size_t next_ = 0;
};

void check_record(const std::string& text) {
  std::string problem;
  const Result<SpfRecord> record = parse_spf_record(text, problem);
  FUZZ_CHECK(record || !problem.empty(), "a mistake is named");
  if (!record) return;
  SpfMacroValues values;
  values.local = "a b\xff";
  values.sender_domain = values.domain = "example.com";
  values.sender = values.local + "@example.com";
  values.ip = *net::parse_address("2001:db8::1");
  for (const SpfMechanism& mechanism : record->mechanisms) {
    const Result<SpfRecord> again = parse_spf_record("v=spf1 " + mechanism.text, problem);
    FUZZ_CHECK(again && again->mechanisms.size() == 1, "a term by itself is read again");
    const SpfMechanism& same = again->mechanisms.front();
    FUZZ_CHECK(same.kind == mechanism.kind && same.qualifier == mechanism.qualifier &&
                   same.prefix4 == mechanism.prefix4 && same.prefix6 == mechanism.prefix6,
               "and means the same");
    FUZZ_CHECK(mechanism.prefix4 <= 32 && mechanism.prefix6 <= 128, "prefixes fit");
    const std::string name = expand_spf_domain(mechanism.domain, values);
    FUZZ_CHECK(name.size() <= 253 || name.find('.', name.size() - 254) == name.npos,
               "a name is cut at a dot where there is one");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const std::uint8_t flags = input.octet();
  std::vector<std::string> lines;
  while (!input.is_empty()) lines.emplace_back(input.until('\n'));
  if (lines.empty()) lines.emplace_back();
  for (const std::string& line : lines) {
    if (is_spf_record(line)) check_record(line);
    (void)parse_spf_macros(line, SpfMacroUse::Explanation);
  }

  test::AuthRig rig;
  LineResolver dns(rig.clock, lines, flags);
  SpfQuery query;
  query.ip = *net::parse_address("192.0.2.1");
  query.sender = "user@example.com";
  query.helo = lines.back().substr(0, 300);
  const SpfResult result = rig.run(check_spf(dns, rig.clock, std::move(query)));
  FUZZ_CHECK(result.lookups <= kSpfLookupsMax, "ten terms");
  FUZZ_CHECK(result.void_lookups <= kSpfVoidLookupsMax + 1, "two of them void");
  FUZZ_CHECK(dns.questions < kSpfQuestionsMax, "so many questions, and the limit was not needed");
  FUZZ_CHECK(result.verdict != Verdict::Policy, "none but SPF's verdicts");
  FUZZ_CHECK(result.explanation.empty() || result.verdict == Verdict::Fail,
             "only failures explain");
  FUZZ_CHECK(result.explanation.size() <= kSpfExplanationOctetsMax, "and not at length");
  const bool is_error =
      result.verdict == Verdict::TemporaryError || result.verdict == Verdict::PermanentError;
  FUZZ_CHECK(is_error != result.problem.empty(), "an error, and nothing else, says why");
  FUZZ_CHECK(result.verdict == Verdict::None || is_spf_record(lines.front()),
             "without a record there is nothing to say");
  return 0;
}
