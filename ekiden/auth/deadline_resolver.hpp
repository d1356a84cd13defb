#pragma once

#include <string>

#include "ekiden/base/clock.hpp"
#include "ekiden/dns/resolver.hpp"

namespace ekiden::auth {

/// Another resolver until a moment, and then one that fails every question at once, those that are
/// open too: what several evaluations may take together.
///
/// Sharing: one worker. What it stands before and the clock outlive its questions.
class DeadlineResolver final : public dns::Resolver {
 public:
  DeadlineResolver(dns::Resolver& behind, base::Clock& clock, base::Steady deadline)
      : behind_(behind), clock_(clock), deadline_(deadline) {}

  void resolve(std::string name, dns::Type type, base::Completion<dns::Answer> done) override;

 private:
  dns::Resolver& behind_;
  base::Clock& clock_;
  const base::Steady deadline_;
};

}  // namespace ekiden::auth
