#pragma once

#include <cstdint>
#include <set>
#include <vector>

#include "ekiden/account/domain_key.hpp"

namespace ekiden::account {

/// A key's next state.
struct DomainKeyStep {
  std::int64_t id = 0;
  DomainKeyState from = DomainKeyState::Pending;
  DomainKeyState to = DomainKeyState::Active;
  friend bool operator==(const DomainKeyStep&, const DomainKeyStep&) = default;
};

/// What follows for all keys when the records of `seen` are in the DNS. A pending key that was seen
/// signs, and what signed before it (of the same domain, kind and tenant) retires; that comes
/// second, so that a crash in between leaves two keys that sign, never none. A retiring key is
/// retired kDomainKeyStay past its last signature.
std::vector<DomainKeyStep> next_steps(const std::vector<DomainKey>& keys,
                                      const std::set<std::int64_t>& seen, base::Time now);

}  // namespace ekiden::account
