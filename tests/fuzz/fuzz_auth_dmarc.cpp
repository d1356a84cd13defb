// DMARC records and headers of anybody: bounded, never a pass that nobody earned.
//
// Lines: the record of the author's domain, then the header section.
#include "ekiden/auth/dmarc_check.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/support/auth_rig.hpp"

using namespace ekiden;
using namespace ekiden::auth;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const std::uint8_t flags = input.octet();
  const std::string text(input.until('\n'));
  const std::string header(input.rest());

  if (const Result<DmarcRecord> record = parse_dmarc_record(text)) {
    FUZZ_CHECK(record->percent <= 100, "a percentage");
    FUZZ_CHECK(!record->has_bad_subdomain_policy || !record->subdomain_policy, "bad or there");
    for (const std::string& uri : record->aggregate_reports) {
      FUZZ_CHECK(uri.find_first_of(" \r\n,;") == uri.npos, "a report goes to a URI");
    }
  }

  const DmarcAuthors authors = find_authors(header);
  FUZZ_CHECK(authors.domains.size() <= kDmarcAuthorsMax, "authors are bounded");
  FUZZ_CHECK(authors.domains.size() <= authors.addresses, "each has an address");

  test::AuthRig rig;
  rig.dns.txt("_dmarc.example.com", text);
  DmarcQuery query;
  query.author_domain = "a.example.com";
  query.mode = (flags & 1) != 0 ? DmarcMode::Rfc7489 : DmarcMode::Rfc9989;
  query.spf = DmarcIdentifier{Verdict::Fail, "example.com"};
  query.dkim.push_back({Verdict::Pass, "example.net"});
  DmarcResult result = rig.run(check_dmarc(rig.dns, rig.clock, query));
  FUZZ_CHECK(result.verdict != Verdict::Pass, "nothing that passed aligns");
  FUZZ_CHECK(result.policy || result.applied == DmarcPolicy::None, "nothing is applied unasked");
  FUZZ_CHECK(!result.policy || result.applied <= *result.policy, "nor more than asked");
  query.spf->verdict = Verdict::Pass;
  if (!authors.domains.empty()) query.author_domain = authors.domains.front();
  std::vector<DmarcResult> results;
  results.push_back(rig.run(check_dmarc(rig.dns, rig.clock, query)));
  const DmarcResult combined = combine_authors(authors, std::move(results));
  FUZZ_CHECK(authors.is_plain() || combined.verdict != Verdict::Pass, "one author, or no pass");
  return 0;
}
