#include "tests/simulation/accounts.hpp"

#include "ekiden/base/assert.hpp"

namespace ekiden::simulation {
namespace {

const account::Credential& shop() {
  static const account::Credential kShop = [] {
    account::Credential shop;
    shop.id = 1;
    shop.name = Accounts::kUser;
    shop.sender_domains = {"sender.example"};
    const Result<std::string> hash = account::hash_password(Accounts::kPassword, Accounts::kCost);
    EKIDEN_ASSERT(hash, "eight KiB are there");
    shop.argon2id = *hash;
    const account::ScramKeys keys =
        account::make_scram_keys(Accounts::kPassword, std::string(account::kScramSaltOctets, 's'),
                                 account::kScramIterationsMin);
    shop.scram_stored_key = keys.stored_key;
    shop.scram_server_key = keys.server_key;
    shop.scram_salt = keys.salt;
    shop.scram_iterations = keys.iterations;
    return shop;
  }();
  return kShop;
}

}  // namespace

void Accounts::change() {
  account::Credential credential = shop();
  credential.version = ++version_;
  std::vector<account::Credential> all = {std::move(credential)};
  snapshot_ = std::make_shared<const account::StoredSnapshot>(std::move(all));
}

void Accounts::remove() {
  snapshot_ = std::make_shared<const account::StoredSnapshot>();
}

}  // namespace ekiden::simulation
