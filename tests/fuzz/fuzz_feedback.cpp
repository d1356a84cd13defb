// Mails that came back and reports: whatever the octets are, limits hold, and the same octets are
// read the same way twice. The first octet says which of the two readers gets the rest.
#include "ekiden/feedback/bounce.hpp"
#include "ekiden/feedback/report.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using namespace ekiden;

void read_bounce(std::string_view octets) {
  static const shaping::LoadedProviders kRules = shaping::load_providers("");
  const feedback::Bounce bounce = feedback::parse_bounce(octets, *kRules.providers);
  FUZZ_CHECK(bounce.recipients.size() <= feedback::kBounceRecipientsMax, "recipients are bounded");
  for (const feedback::BouncedRecipient& who : bounce.recipients) {
    FUZZ_CHECK(who.reply.size() <= feedback::kBounceReplyMax, "replies are bounded");
    FUZZ_CHECK(who.code == 0 || (who.code >= 200 && who.code < 600), "a code is a code");
  }
  const feedback::Bounce again = feedback::parse_bounce(octets, *kRules.providers);
  FUZZ_CHECK(again.kind == bounce.kind && again.recipients.size() == bounce.recipients.size(),
             "read the same way twice");
}

void read_report(std::string_view octets) {
  const feedback::Report report = feedback::read_report(octets);
  if (const auto* dmarc = std::get_if<feedback::DmarcReport>(&report)) {
    FUZZ_CHECK(dmarc->rows.size() <= feedback::kReportRowsMax, "rows are bounded");
    FUZZ_CHECK(dmarc->organization.size() <= feedback::kReportTextMax, "texts are bounded");
  }
  if (const auto* none = std::get_if<feedback::NoReport>(&report))
    FUZZ_CHECK(!none->why.empty(), "what is no report says why");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view octets(reinterpret_cast<const char*>(data) + 1, size - 1);
  data[0] % 2 == 0 ? read_bounce(octets) : read_report(octets);
  return 0;
}
