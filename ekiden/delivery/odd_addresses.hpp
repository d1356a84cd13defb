#pragma once

#include <cstddef>
#include <set>
#include <string>
#include <string_view>

#include "ekiden/shaping/profile.hpp"
#include "ekiden/smtp/reply.hpp"

namespace ekiden::delivery {

/// Addresses like `a..b@docomo.ne.jp`, which one next hop takes in quotes and another bare: the
/// form that goes into RCPT, and which were refused in the first form and get the other one.
///
/// Sharing: its worker only.
class OddAddresses {
 public:
  /// Past it the memory is emptied: those that wait are tried once more in their first form.
  static constexpr std::size_t kMax = 1000;

  /// The address as it goes out: as it came, unless it is an odd one and the provider's file says
  /// how those are written.
  std::string form_of(std::string_view address, shaping::OddLocalParts wish) const;

  /// RCPT was refused. True, once for each address: try it again, in the other form.
  bool may_retry(std::string_view address, shaping::OddLocalParts wish, const smtp::Reply& reply);

 private:
  std::set<std::string, std::less<>> turned_;
};

}  // namespace ekiden::delivery
