#include "tests/simulation/signing.hpp"

#include <filesystem>

#include "ekiden/auth/dkim_key.hpp"
#include "ekiden/base/assert.hpp"
#include "tests/simulation/accounts.hpp"

namespace ekiden::simulation {
namespace {

struct Keys {
  Keys() {
    std::string name = (std::filesystem::temp_directory_path() / "ekiden-keys-XXXXXX").string();
    folder = ::mkdtemp(name.data());
    const account::Author author{"the simulation", base::from_unix_us(1'000'000'000'000'000)};
    store = account::Store::open(folder, author.now).value();
    base::SeededRandom random(1);
    for (const char* domain : {"sender.example", "home.example", "relay.example"}) {
      // Seals are RSA's (RFC 8617 §4.1.3).
      const bool is_senders = std::string_view(domain) == "sender.example";
      const auto type = is_senders ? auth::KeyType::Ed25519 : auth::KeyType::Rsa;
      const auth::PrivateKey made = auth::PrivateKey::make(type).value();
      account::DomainKey key;
      key.domain = domain;
      key.selector = "s1";
      key.type = is_senders ? "ed25519" : "rsa";
      key.record = made.to_record().value();
      key.sealed = account::seal(Accounts::node_key(), account::kDomainKeyPurpose,
                                 made.to_pem().value(), random);
      key.state = account::DomainKeyState::Active;
      const bool is_added = store->add_domain_key(key, author).has_value();
      EKIDEN_ASSERT(is_added, "a new store takes keys");
      records.emplace_back(key.record_name(), key.record);
    }
  }
  ~Keys() {
    store.reset();
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
  }
  std::string folder;
  std::unique_ptr<account::Store> store;
  std::vector<std::pair<std::string, std::string>> records;
};

const Keys& keys() {
  static const Keys kKeys;
  return kKeys;
}

}  // namespace

const account::Store& signing_keys() {
  return *keys().store;
}

void publish_keys(test::FakeResolver& dns) {
  for (const auto& [name, record] : keys().records) dns.txt(name, record);
  dns.txt("sender.example", "v=spf1 ip4:10.0.0.0/8 ip6:2600::/64 -all");
  dns.txt("_dmarc.sender.example", "v=DMARC1; p=reject");
  // Mail that claims to come from there passes no check.
  dns.txt("elsewhere.example", "v=spf1 -all");
  dns.txt("_dmarc.elsewhere.example", "v=DMARC1; p=reject; aspf=s; adkim=s");
}

}  // namespace ekiden::simulation
