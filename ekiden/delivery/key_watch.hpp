#pragma once

#include <memory>

#include "ekiden/account/store.hpp"
#include "ekiden/base/executor.hpp"
#include "ekiden/base/worker.hpp"
#include "ekiden/delivery/message_signer.hpp"
#include "ekiden/dns/resolver.hpp"

namespace ekiden::delivery {

/// Moves signing keys on: a pending one signs once its record is seen in the DNS, and the one
/// before it stops; what has not signed for kDomainKeyStay is retired. Also writes down when each
/// key signed last.
///
/// A timer on one worker, questions to its resolver, writes on the blocking pool.
///
/// Sharing: its worker. It may be destroyed at any time on that worker; store and signer must
/// outlive the blocking pool, the resolver its answers.
class KeyWatch {
 public:
  KeyWatch(base::Worker& worker, dns::Resolver& resolver, base::Executor& blocking,
           account::Store& store, MessageSigner& signer,
           base::Duration interval = std::chrono::seconds(5));
  ~KeyWatch();
  KeyWatch(const KeyWatch&) = delete;
  KeyWatch& operator=(const KeyWatch&) = delete;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace ekiden::delivery
