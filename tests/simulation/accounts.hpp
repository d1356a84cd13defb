#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ekiden/account/password.hpp"
#include "ekiden/account/stored_snapshot.hpp"
#include "ekiden/account/suppression_set.hpp"

namespace ekiden::simulation {

/// Who may submit: "shop" with a password and SCRAM keys, and a program with an API key, their mail
/// only from sender.example; what their tenant may send, and who gets none of it.
class Accounts final : public account::SnapshotSource {
 public:
  static constexpr const char* kUser = "shop";
  static constexpr const char* kPassword = "correct horse";
  /// Little enough for thousands of scenarios.
  static constexpr account::PasswordCost kCost{1, 8192};
  /// What secrets of this world are hashed with.
  static const account::HashKey& node_key();
  /// The password with which the user "apikey" logs in.
  static const std::string& api_key();
  /// What admission sees of it.
  static const account::Credential& api_credential();

  Accounts() { change(); }
  std::shared_ptr<const account::Snapshot> current() const override { return snapshot_; }
  std::shared_ptr<const account::SuppressionSet> suppressions() const override {
    return suppressed_;
  }
  /// As `ekiden user` does: a new picture, in which the user is another version of itself.
  void change();
  /// And one in which it is gone.
  void remove();
  /// What the tenant of all mail but that of jobs may send, and whether copies are kept.
  void limit(account::Limits limits);
  /// A tenant's list of who wants no mail.
  void suppress(const std::vector<std::string>& addresses);

  /// A mistake made on purpose: with each picture what was used is forgotten.
  bool forgets_usage = false;

 private:
  account::Rules rules();

  std::uint64_t version_ = 0;
  account::Limits limits_;
  std::shared_ptr<account::LimitState> used_;
  std::shared_ptr<const account::StoredSnapshot> snapshot_;
  std::shared_ptr<const account::SuppressionSet> suppressed_;
};

}  // namespace ekiden::simulation
