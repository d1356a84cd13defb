#include "ekiden/account/domain_key_rotation.hpp"

#include <algorithm>

namespace ekiden::account {

std::vector<DomainKeyStep> next_steps(const std::vector<DomainKey>& keys,
                                      const std::set<std::int64_t>& seen, base::Time now) {
  std::vector<DomainKeyStep> steps;
  std::vector<const DomainKey*> fresh;
  for (const DomainKey& key : keys) {
    if (key.state != DomainKeyState::Pending || !seen.contains(key.id)) continue;
    steps.push_back({key.id, DomainKeyState::Pending, DomainKeyState::Active});
    fresh.push_back(&key);
  }
  for (const DomainKey& key : keys) {
    if (key.state == DomainKeyState::Active) {
      const bool is_replaced = std::any_of(fresh.begin(), fresh.end(), [&](const DomainKey* other) {
        return other->domain == key.domain && other->type == key.type &&
               other->tenant == key.tenant;
      });
      if (is_replaced) {
        steps.push_back({key.id, DomainKeyState::Active, DomainKeyState::Retiring});
      }
    } else if (key.state == DomainKeyState::Retiring &&
               now >= std::max(key.changed, key.last_signed) + kDomainKeyStay) {
      steps.push_back({key.id, DomainKeyState::Retiring, DomainKeyState::Retired});
    }
  }
  return steps;
}

}  // namespace ekiden::account
