#pragma once

#include <memory>
#include <optional>
#include <string>

#include "ekiden/base/task_group.hpp"
#include "ekiden/policy/mta_sts_book.hpp"
#include "ekiden/policy/mta_sts_fetch.hpp"

namespace ekiden::policy {

/// What is known of a domain.
struct MtaStsFound {
  std::optional<MtaStsEntry> entry;  ///< in force
  bool is_pending = false;           ///< a first fetch goes on
};

/// What `_mta-sts.DOMAIN` and the policy server say, and what they said before.
///
/// A policy in force is given at once and renewed behind the caller's back, when its id changes or
/// a day has gone. Only mail to a domain that is met for the first time waits, in the queue and on
/// no connection, at most `wait_max`; then it goes as to a domain without a policy, while the
/// fetch goes on for the mail behind it. A failed fetch changes nothing.
///
/// Sharing: one per worker; the book is everybody's.
class MtaStsFinder {
 public:
  struct Parts {
    base::Worker& worker;
    dns::Resolver& resolver;
    net::Network& network;
    net::BeginTls secure;
    MtaStsBook& book;
    TlsObserver observe = nullptr;  ///< hears of policies that cannot be had (RFC 8460 §4.3.2.2)
  };
  MtaStsFinder(Parts parts, MtaStsOptions options);
  ~MtaStsFinder();

  /// The policy of `domain` (canonical) in force.
  base::Task<MtaStsFound> find(std::string domain);

  /// Renews, from time to time, what is due without waiting for mail. One worker's finder does.
  void start_renewing();

  void set_options(MtaStsOptions options) { options_ = std::move(options); }

  /// Nobody waits any longer and no fetch goes on.
  void close();
  /// The threads have ended.
  void abandon();

 private:
  struct Wait;
  base::Task<void> look(std::string domain, std::shared_ptr<Wait> wait);
  base::Task<void> fetch(std::string domain, std::string id, bool is_known);
  base::Task<void> renew_due();
  void arm_renewal();

  Parts parts_;
  MtaStsOptions options_;
  base::TaskGroup tasks_;
  base::TimerId renewal_ = base::TimerId::None;
};

}  // namespace ekiden::policy
