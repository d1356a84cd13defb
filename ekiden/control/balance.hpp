#pragma once

#include "ekiden/base/metrics.hpp"

namespace ekiden::control {

/// The invariant of the relay: recipients accepted + generated + added by expansion + queued at
/// the start + taken out of quarantine by operators = delivered + bounced + expired + suppressed +
/// cancelled + expanded + quarantined + queued now. Exported as the difference of the two sides,
/// zero whenever nothing is under way: the figures are counted on many workers, so a scrape in the
/// middle of things may see a few between one count and the next. A difference that stays is lost
/// or doubled mail.
///
/// The counts are since the start; a restart begins anew with what is queued then.
class Balance {
 public:
  explicit Balance(base::Metrics& metrics);

  /// Sets `ekiden_recipients_unaccounted` and returns it.
  std::int64_t refresh();

 private:
  const base::Metrics& metrics_;
  base::Gauge& unaccounted_;
};

}  // namespace ekiden::control
