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
    shop.streams = {"transactional", "bulk"};
    shop.networks = {*net::parse_address_block("10.0.0.0/8")};
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

constexpr std::int64_t kApiKey = 7;

const account::MadeApiKey& made_api_key() {
  static const account::MadeApiKey kMade = [] {
    base::SeededRandom random(1);
    return account::make_api_key("program", Accounts::node_key(), random);
  }();
  return kMade;
}

account::ApiKey program() {
  account::ApiKey key;
  key.id = kApiKey;
  key.name = "program";
  key.credential = Accounts::api_credential();
  key.blastengine_hash = made_api_key().blastengine_hash;
  return key;
}

}  // namespace

const account::HashKey& Accounts::node_key() {
  static const account::HashKey kKey(std::string(account::kHashOctets, 'k'));
  return kKey;
}

const std::string& Accounts::api_key() {
  return made_api_key().secret;
}

const account::Credential& Accounts::api_credential() {
  static const account::Credential kCredential = [] {
    account::Credential credential;
    credential.id = kApiKey;
    credential.name = account::api_key_identity(kApiKey);
    credential.sender_domains = {"sender.example"};
    credential.key_hash = made_api_key().key_hash;
    return credential;
  }();
  return kCredential;
}

void Accounts::change() {
  account::Credential credential = shop();
  credential.version = ++version_;
  std::vector<account::Credential> all = {std::move(credential)};
  std::vector<account::ApiKey> keys = {program()};
  snapshot_ =
      std::make_shared<const account::StoredSnapshot>(std::move(all), std::move(keys), rules());
}

void Accounts::remove() {
  snapshot_ = std::make_shared<const account::StoredSnapshot>(
      std::vector<account::Credential>(), std::vector<account::ApiKey>(), rules());
}

account::Rules Accounts::rules() {
  account::Rules rules;
  if (limits_.is_none()) return rules;
  if (!used_ || forgets_usage) used_ = std::make_shared<account::LimitState>();
  account::TenantRules tenant;
  tenant.settings.limits = limits_;
  tenant.settings.archives_all = true;
  tenant.settings.sender_domains = {"sender.example", "*.sender.example", "elsewhere.example"};
  tenant.settings.streams = {{"bulk", account::StreamKind::Bulk, 3},
                             {"transactional", account::StreamKind::Transactional, 1}};
  tenant.state = used_;
  rules.tenants.emplace("default", std::move(tenant));
  return rules;
}

void Accounts::limit(account::Limits limits) {
  limits_ = limits;
  change();
}

void Accounts::suppress(const std::vector<std::string>& addresses) {
  account::SuppressionEditor editor{account::SuppressionSet(1)};
  for (const std::string& address : addresses) {
    account::Suppression entry;
    entry.address = account::suppression_address(address).value();
    editor.append(entry);
  }
  suppressed_ = std::make_shared<const account::SuppressionSet>(editor.finish());
}

}  // namespace ekiden::simulation
