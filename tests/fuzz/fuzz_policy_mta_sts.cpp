// MTA-STS: the TXT record, the policy and the HTTP reply around it; TLS-RPT: its record, its
// counts. A policy that is read is read again from what is written of it, its bounds hold, and the
// reply means the same at every split.
#include <algorithm>

#include "ekiden/net/http_client.hpp"
#include "ekiden/policy/mta_sts_book.hpp"
#include "ekiden/policy/tls_report.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using namespace ekiden;
using namespace ekiden::policy;

void check_record(fuzz::Input input) {
  std::vector<std::string> texts;
  while (!input.is_empty()) texts.emplace_back(input.until('\n'));
  std::string why;
  const auto id = find_mta_sts_id(texts, why);
  if (!id) return;
  FUZZ_CHECK(why.empty(), "a good record is not complained about");
  FUZZ_CHECK(!id->empty() && id->size() <= 32, "an id is bounded");
  texts.push_back("v=STSv1; id=" + *id + ";");
  FUZZ_CHECK(!find_mta_sts_id(texts, why), "two are none");
  FUZZ_CHECK(find_mta_sts_id({texts.back()}, why) == id, "an id is written back");
}

void check_reports(fuzz::Input input) {
  const std::string_view kept = input.until('\0');
  if (const auto tally = decode_tls_tally(kept)) {
    const std::string written = encode_tls_tally(*tally);
    const auto again = decode_tls_tally(written);
    FUZZ_CHECK(again && encode_tls_tally(*again) == written, "a tally is written back");
  }
  std::vector<std::string> texts;
  while (!input.is_empty()) texts.emplace_back(input.until('\n'));
  std::string why;
  const auto addresses = find_tls_report_addresses(texts, why);
  FUZZ_CHECK(addresses.size() <= kTlsReportAddressesMax, "addresses are bounded");
  FUZZ_CHECK(addresses.empty() || why.empty(), "a good record is not complained about");
}

void check_policy(std::string_view text) {
  std::string why;
  const auto policy = parse_mta_sts_policy(text, why);
  FUZZ_CHECK(policy.has_value() == why.empty(), "what is refused says why");
  if (!policy) return;
  FUZZ_CHECK(text.size() <= kMtaStsPolicyOctetsMax, "a policy is bounded");
  FUZZ_CHECK(policy->mx.size() <= kMtaStsPatternsMax, "so are its hosts");
  FUZZ_CHECK(policy->max_age <= std::chrono::seconds(kMtaStsMaxAge_s), "and its age");
  FUZZ_CHECK(policy->mode == MtaStsMode::None || !policy->mx.empty(), "who asks names hosts");
  const std::string written = format_mta_sts_policy(*policy);
  if (written.size() <= kMtaStsPolicyOctetsMax) {
    FUZZ_CHECK(parse_mta_sts_policy(written, why) == policy, "a policy is written back");
  }
  for (const std::string& pattern : policy->mx) {
    if (!pattern.starts_with("*.")) {
      FUZZ_CHECK(is_named(*policy, pattern), "a host that stands there is named");
      continue;
    }
    FUZZ_CHECK(is_named(*policy, "any" + pattern.substr(1)), "one label for the star");
    const MtaStsPolicy alone{MtaStsMode::Enforce, {pattern}, {}};
    FUZZ_CHECK(!is_named(alone, pattern.substr(2)), "not none");
    FUZZ_CHECK(!is_named(alone, "a.b" + pattern.substr(1)), "not two");
  }
}

net::HttpReply read(std::string_view octets, std::uint8_t seed) {
  constexpr std::size_t kBodyMax = 1000;
  net::HttpReplyReader reader(kBodyMax);
  fuzz::cut(octets, seed, [&](std::string_view piece) { return !reader.feed(piece); });
  net::HttpReply reply = reader.finish();
  FUZZ_CHECK(reply.body.size() <= kBodyMax, "a body is bounded");
  FUZZ_CHECK(reply.is_whole == reply.problem.empty(), "what is none says why");
  return reply;
}

void check_reply(std::string_view octets, std::uint8_t seed) {
  const net::HttpReply whole = read(octets, 0), pieces = read(octets, seed);
  FUZZ_CHECK(whole.is_whole == pieces.is_whole, "a reply is one at every split");
  FUZZ_CHECK(whole.status == pieces.status && whole.body == pieces.body &&
                 whole.content_type == pieces.content_type,
             "and says the same");
}

void check_book(std::string_view octets) {
  const base::Time now = base::from_unix_us(1'795'305'600'000'000);
  MtaStsBook book, again;
  if (!book.load(octets, now)) return;
  FUZZ_CHECK(again.load(book.encode(), now), "a book is written back");
  FUZZ_CHECK(again.encode() == book.encode(), "and says the same");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const std::uint8_t kind = input.octet();
  switch (kind % 5) {
    case 0:
      check_record(input);
      break;
    case 1:
      check_policy(input.rest());
      break;
    case 2:
      check_reply(input.rest(), kind / 4);
      break;
    case 3:
      check_book(input.rest());
      break;
    default:
      check_reports(input);
      break;
  }
  return 0;
}
