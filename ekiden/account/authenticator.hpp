#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "ekiden/account/password.hpp"
#include "ekiden/account/password_pool.hpp"
#include "ekiden/account/snapshot.hpp"
#include "ekiden/account/throttle.hpp"
#include "ekiden/base/metrics.hpp"
#include "ekiden/base/task.hpp"
#include "ekiden/base/worker.hpp"
#include "ekiden/net/endpoint.hpp"

namespace ekiden::account {

/// What every worker's authenticator shares; it outlives them.
struct AuthenticatorShared {
  const SnapshotSource& source;
  Throttle& throttle;
  PasswordPool& pool;
  HashKey node_key;
  base::Metrics& metrics;
};

struct AuthenticatorOptions {
  PasswordCost cost;  ///< of the hash checked for users that do not exist
};

enum class Verdict {
  Accepted,
  Refused,  ///< whatever was wrong: name, password, network. The caller tells nobody which.
  Busy,     ///< not decided: the verifier's queue or this address's turns are full
};

/// Says whether somebody is who they claim.
///
/// An unknown name takes the time of a wrong password. A password that was right before is found
/// in the cache; a random API key needs one keyed hash; anything else waits for the pool.
///
/// Sharing: one worker owns one; it outlives its coroutines.
class Authenticator {
 public:
  Authenticator(base::Worker& worker, const AuthenticatorShared& shared,
                const AuthenticatorOptions& options = {});

  base::Task<Verdict> verify(std::string name, Secret password, net::Address client);

  /// For mechanisms that prove by themselves: waits as the throttle says, then tell it the end.
  /// False when this address has no turn left.
  base::Task<bool> take_turn(std::string name, net::Address client);
  /// Counts the end of an attempt. Accepted only with the credential's networks allowing it.
  Verdict conclude(std::string_view name, const net::Address& client, bool is_right);

  /// Whom a client means: the user "apikey" is whoever the API key it gives as password belongs to.
  std::string name_of(std::string name, const Secret& password) const;

  std::shared_ptr<const Snapshot> snapshot() const { return shared_.source.current(); }
  const HashKey& node_key() const { return shared_.node_key; }
  base::Random& random() { return worker_.random; }

 private:
  base::Task<void> sleep(base::Duration duration);
  base::Task<std::optional<bool>> verify_in_pool(std::string encoded, Secret password);
  Verdict counted(Verdict verdict);

  base::Worker& worker_;
  AuthenticatorShared shared_;
  std::string unmatchable_;
  base::Counter &accepted_, &refused_, &busy_, &cached_;
};

/// Whether a credential may be used from there.
bool may_come_from(const Credential& credential, const net::Address& client);

}  // namespace ekiden::account
