#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace ekiden::feedback {

/// Rows of one report that are kept; `is_cut` says that there were more.
inline constexpr std::size_t kReportRowsMax = 100'000;
/// Octets of one text of a report.
inline constexpr std::size_t kReportTextMax = 1000;

/// What a receiver saw from one address (RFC 7489 appendix C).
struct DmarcRow {
  std::string source_ip;
  std::uint64_t count = 0;
  std::string disposition, dkim, spf;  ///< as DMARC evaluated them: "none", "pass", "fail"
  std::vector<std::string> overrides;  ///< why it did not do as the policy says: types
  std::string header_from, envelope_from, envelope_to;
  struct Result {
    std::string domain, selector, result;
  };
  std::vector<Result> dkim_results, spf_results;
};

struct DmarcReport {
  std::string organization, email, id;
  std::uint64_t begin_s = 0, end_s = 0;  ///< seconds since 1970
  std::string domain;                    ///< whose policy it is
  std::string policy, subdomain_policy, adkim, aspf;
  std::vector<DmarcRow> rows;
  bool is_cut = false;
};

/// RFC 8460 §4.4.
struct TlsReport {
  std::string organization, contact, id, begin, end;
  struct Failure {
    std::string type, sending_address, receiving_host, receiving_address, reason;
    std::uint64_t sessions = 0;
  };
  struct Policy {
    std::string type, domain;
    std::vector<std::string> hosts;
    std::uint64_t successes = 0, failures = 0;
    std::vector<Failure> details;
  };
  std::vector<Policy> policies;
};

/// RFC 5965, RFC 6591: one message that somebody complains of, or that failed.
struct ArfReport {
  std::string type;                                         ///< "abuse", "auth-failure", …
  std::vector<std::pair<std::string, std::string>> fields;  ///< of message/feedback-report
  std::string message_id, from, to, subject;  ///< of the message, as far as it is there
};

struct NoReport {
  std::string why;
};
using Report = std::variant<NoReport, DmarcReport, TlsReport, ArfReport>;

/// Reads a report in whatever it comes: a mail, gzip, zip, XML or JSON. Never fails: NoReport says
/// why it is none.
Report read_report(std::string_view octets);

}  // namespace ekiden::feedback
