#pragma once

#include <string>
#include <string_view>

#include "ekiden/base/time.hpp"
#include "ekiden/policy/tls_report.hpp"

namespace ekiden::tlsreport {

/// One member of a gzip file.
std::string gzip(std::string_view octets);

/// RFC 8460 §5.1: "submitter!domain!begin!end!id.json.gz".
std::string file_name(const policy::TlsReportHead& head, std::string_view submitter);

struct MailRequest {
  std::string from, to;
  std::string submitter;  ///< the domain of `from`
  base::Time now{};
};

/// The mail that carries a report (RFC 8460 §5.3): lines end with CRLF, all ASCII. `packed` is the
/// report, gzipped.
std::string compose_mail(const MailRequest& request, const policy::TlsReportHead& head,
                         const policy::TlsTally& tally, std::string_view packed);

}  // namespace ekiden::tlsreport
