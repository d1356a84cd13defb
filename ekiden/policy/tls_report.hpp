#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/base/time.hpp"
#include "ekiden/dns/resolver.hpp"
#include "ekiden/policy/mta_sts_policy.hpp"

namespace ekiden::policy {

/// RFC 8460 §4.4: whose policy an attempt followed.
enum class TlsPolicyKind : std::uint8_t { None, Sts, Tlsa };
/// "no-policy-found", "sts", "tlsa".
std::string_view tls_policy_kind_name(TlsPolicyKind kind);
std::optional<TlsPolicyKind> parse_tls_policy_kind(std::string_view name);

/// RFC 8460 §4.3.
enum class TlsResult : std::uint8_t {
  StarttlsNotSupported,
  CertificateHostMismatch,
  CertificateExpired,
  CertificateNotTrusted,
  ValidationFailure,
  TlsaInvalid,
  DnssecInvalid,
  DaneRequired,
  StsPolicyFetchError,
  StsPolicyInvalid,
  StsWebpkiInvalid,
};
/// "starttls-not-supported" and so on.
std::string_view tls_result_name(TlsResult result);
std::optional<TlsResult> parse_tls_result(std::string_view name);
/// What OpenSSL's words about a certificate, or a handshake, come to.
TlsResult tls_result_of(std::string_view words);

struct TlsFailure {
  TlsResult result = TlsResult::ValidationFailure;
  std::string sending_ip, receiving_host, receiving_ip;  ///< empty: it did not come to that
  std::string reason;                                    ///< in words; failure-reason-code

  friend bool operator==(const TlsFailure&, const TlsFailure&) = default;
};

/// One attempt at a TLS session with a host of a recipient domain.
struct TlsSession {
  TlsPolicyKind policy = TlsPolicyKind::None;
  std::vector<std::string> policy_strings;  ///< empty for Sts: who counts knows the domain's
  std::vector<std::string> mx_hosts;
  std::optional<TlsFailure> failure;  ///< nothing: it was set up as the policy asks
};

/// Hears of attempts, each with the domain whose mail it was for. Any thread.
using TlsObserver = std::function<void(std::string domain, const TlsSession& session)>;

/// "3 1 1 abcd…": a TLSA record as policy-string shows it.
std::string format_tlsa(const dns::Tlsa& tlsa);
/// A policy's lines, without line ends.
std::vector<std::string> policy_strings_of(const MtaStsPolicy& policy);

/// What one domain's attempts of one UTC day came to.
///
/// Limits: policies and details below; what is past them counts in the sums only.
struct TlsTally {
  static constexpr std::size_t kPoliciesMax = 16;
  static constexpr std::size_t kDetailsMax = 100;
  static constexpr std::size_t kReasonOctetsMax = 200;

  struct Detail {
    TlsFailure failure;
    std::uint64_t count = 0;
  };
  struct Policy {
    TlsPolicyKind kind = TlsPolicyKind::None;
    std::vector<std::string> strings, mx_hosts;
    std::uint64_t successes = 0, failures = 0;
    std::vector<Detail> details;
  };
  std::vector<Policy> policies;

  void add(const TlsSession& session);
  std::uint64_t successes() const;
  std::uint64_t failures() const;
};

struct TlsReportHead {
  std::string organization;  ///< "organization-name"
  std::string contact;       ///< "contact-info"
  std::string id;
  std::string domain;  ///< "policy-domain"
  base::Time begin{};  ///< of the UTC day
};

/// The report of one domain's day as JSON (RFC 8460 §4.4).
std::string format_tls_report(const TlsReportHead& head, const TlsTally& tally);

/// A tally as it is kept over restarts, and back. Nothing when it makes no sense.
std::string encode_tls_tally(const TlsTally& tally);
std::optional<TlsTally> decode_tls_tally(std::string_view json);

/// Where a domain wants its reports (RFC 8460 §3).
struct TlsReportAddress {
  bool is_mail = false;
  std::string target;  ///< the address, or the whole https URL

  friend bool operator==(const TlsReportAddress&, const TlsReportAddress&) = default;
};
/// Addresses of one record that are used.
inline constexpr std::size_t kTlsReportAddressesMax = 4;

/// Reads the TXT records at "_smtp._tls.DOMAIN". Empty when there is not exactly one that begins
/// with "v=TLSRPTv1", or it names no address that we can use; `why` then says so where one was
/// meant.
std::vector<TlsReportAddress> find_tls_report_addresses(const std::vector<std::string>& texts,
                                                        std::string& why);

}  // namespace ekiden::policy
