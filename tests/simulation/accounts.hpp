#pragma once

#include <memory>
#include <string>

#include "ekiden/account/password.hpp"
#include "ekiden/account/stored_snapshot.hpp"

namespace ekiden::simulation {

/// Who may submit: "shop" with a password and SCRAM keys, its mail only from sender.example.
class Accounts final : public account::SnapshotSource {
 public:
  static constexpr const char* kUser = "shop";
  static constexpr const char* kPassword = "correct horse";
  /// Little enough for thousands of scenarios.
  static constexpr account::PasswordCost kCost{1, 8192};

  Accounts() { change(); }
  std::shared_ptr<const account::Snapshot> current() const override { return snapshot_; }
  /// As `ekiden user` does: a new picture, in which the user is another version of itself.
  void change();
  /// And one in which it is gone.
  void remove();

 private:
  std::uint64_t version_ = 0;
  std::shared_ptr<const account::StoredSnapshot> snapshot_;
};

}  // namespace ekiden::simulation
