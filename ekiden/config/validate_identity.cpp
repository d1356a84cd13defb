// What [signing], [tls_reports] and [[alignment]] mean beside being texts: domains, headers,
// addresses, tenants.
#include <algorithm>

#include "ekiden/base/text.hpp"
#include "ekiden/config/findings.hpp"
#include "ekiden/config/validate.hpp"
#include "ekiden/smtp/address.hpp"

namespace ekiden::config {
namespace {

constexpr std::size_t kAlignmentsMax = 10'000;
constexpr std::size_t kOversignedMax = 50;

bool is_field_name(std::string_view text) {
  return !text.empty() && text.size() <= 60 && std::all_of(text.begin(), text.end(), [](char c) {
    return c > ' ' && c < 0x7f && c != ':' && c != ';';
  });
}

class IdentityValidator : private Findings {
 public:
  IdentityValidator(Loaded& loaded, const std::set<std::string>& refused,
                    const Surroundings& surroundings)
      : Findings(loaded, refused, surroundings), settings_(loaded.settings) {}

  void run() {
    signing();
    tls_reports();
    if (settings_.alignment.size() > kAlignmentsMax)
      return refuse("alignment[" + std::to_string(kAlignmentsMax) + "]",
                    "more than 10000 [[alignment]]");
    for (std::size_t i = 0; i < settings_.alignment.size(); ++i) alignment(i);
  }

 private:
  void signing() {
    Signing& v = settings_.signing;
    if (!v.relay_domain.empty()) {
      const Result<std::string> domain = smtp::canonical_domain(v.relay_domain);
      if (domain && domain->find('.') != std::string::npos) {
        v.relay_domain = *domain;
      } else {
        refuse("signing.relay_domain", "signing.relay_domain takes a domain with a dot, not \"" +
                                           base::printable(v.relay_domain, 60) + "\"");
      }
    }
    if (v.oversign.size() > kOversignedMax)
      return refuse("signing.oversign", "signing.oversign lists more than 50 headers");
    bool has_from = false;
    for (const std::string& name : v.oversign) {
      if (!is_field_name(name)) {
        refuse("signing.oversign", "\"" + base::printable(name, 60) + "\" is no header's name");
      }
      has_from = has_from || base::equals_ignoring_case(name, "From");
    }
    if (!has_from && has("signing.oversign")) {
      warn("signing.oversign",
           "signing.oversign without From lets others add a second From to signed mail");
    }
  }

  void tls_reports() {
    const TlsReports& v = settings_.tls_reports;
    if (v.from.empty()) {
      for (const char* key : {"contact", "organization"}) {
        if (has(std::string("tls_reports.") + key))
          return warn(std::string("tls_reports.") + key,
                      "[tls_reports] does nothing without tls_reports.from");
      }
      return;
    }
    const Result<smtp::Address> address = smtp::parse_address(v.from);
    if (!address || address->domain.find('.') == std::string::npos) {
      refuse("tls_reports.from",
             "tls_reports.from takes an address, not \"" + base::printable(v.from, 60) + "\"");
    }
  }

  void alignment(std::size_t i) {
    const Alignment& v = settings_.alignment[i];
    const std::string path = "alignment[" + std::to_string(i) + "].tenant";
    if (!has(path)) return;
    if (v.tenant.empty()) return refuse(path, "alignment.tenant is empty; \"*\" is everybody");
    for (std::size_t n = 0; n < i; ++n) {
      if (settings_.alignment[n].tenant == v.tenant)
        return refuse(path, "there is another [[alignment]] of tenant \"" +
                                base::printable(v.tenant, 60) + "\"");
    }
  }

  Settings& settings_;
};

}  // namespace

void validate_identity(Loaded& loaded, const std::set<std::string>& refused,
                       const Surroundings& surroundings) {
  IdentityValidator(loaded, refused, surroundings).run();
}

}  // namespace ekiden::config
