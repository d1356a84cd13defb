#pragma once

#include <string>
#include <vector>

#include "ekiden/delivery/protection.hpp"
#include "ekiden/dns/records.hpp"
#include "tests/support/delivery_rig.hpp"

namespace ekiden::delivery {

inline constexpr const char* kTlsEhlo = "250-mx.example\r\n250 STARTTLS\r\n";

inline const dns::Tlsa kUsable{3, 1, 1, std::string(32, 'x')};
inline const dns::Tlsa kUnusable{1, 1, 1, std::string(32, 'x')};

/// For tests: a host that DNSSEC vouches for.
struct SecureRig : Rig {
  SecureRig() {
    plan.targets[0].is_mx_secure = true;
    dns.secure("mx.example");
    host().script.ehlo = kTlsEhlo;
    add();
  }
  void publish(const dns::Tlsa& tlsa, const std::string& of = "mx.example") {
    const std::string name = "_25._tcp." + of;
    dns.record(name, dns::Type::TLSA, dns::rdata_of_tlsa(tlsa)).secure(name);
  }
  void obey(policy::MtaStsMode mode, std::vector<std::string> mx) {
    apply_mta_sts({mode, std::move(mx), std::chrono::hours(24)}, plan);
  }
  const std::string& verification() { return feed.results.at(0).peer.tls_verification; }
};

}  // namespace ekiden::delivery
