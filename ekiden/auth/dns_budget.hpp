#pragma once

#include <string>

#include "ekiden/base/clock.hpp"
#include "ekiden/base/task.hpp"
#include "ekiden/dns/resolver.hpp"

namespace ekiden::auth {

/// The questions of one evaluation, with a limit on their number and on the time for all of them
/// together: whoever publishes a record decides what is asked, so neither is theirs to choose.
///
/// Sharing: one evaluation owns one; resolver and clock outlive it.
class DnsBudget {
 public:
  DnsBudget(dns::Resolver& resolver, base::Clock& clock, unsigned questions_max,
            base::Duration time_max)
      : resolver_(resolver),
        clock_(clock),
        deadline_(clock.steady() + time_max),
        questions_max_(questions_max) {}

  /// The resolver's answer; Failed once a limit is reached. A name that cannot exist is NoDomain,
  /// and no question.
  base::Task<dns::Answer> ask(std::string name, dns::Type type);

  unsigned asked() const { return asked_; }

 private:
  dns::Resolver& resolver_;
  base::Clock& clock_;
  base::Steady deadline_;
  unsigned questions_max_;
  unsigned asked_ = 0;
};

}  // namespace ekiden::auth
