#include "ekiden/delivery/message_signer.hpp"

#include <gtest/gtest.h>

#include <filesystem>

#include "ekiden/auth/dkim_verifier.hpp"
#include "ekiden/auth/error.hpp"
#include "ekiden/base/random.hpp"
#include "ekiden/dns/records.hpp"
#include "ekiden/message/header_scan.hpp"

namespace ekiden::delivery {
namespace {

const base::Time kNow = base::from_unix_us(1'795'305'600'000'000);
const account::Author kAuthor{"a test", kNow};

struct MessageSignerTest : testing::Test {
  MessageSignerTest() {
    std::string name = (std::filesystem::temp_directory_path() / "ekiden-sign-XXXXXX").string();
    folder = ::mkdtemp(name.data());
    store = account::Store::open(folder, kNow).value();
    signer = std::make_unique<MessageSigner>(*store, secret);
  }
  ~MessageSignerTest() override { std::filesystem::remove_all(folder); }

  void add(std::string domain, std::string selector, std::string tenant = "",
           account::DomainKeyState state = account::DomainKeyState::Active) {
    const auth::PrivateKey made = auth::PrivateKey::make(auth::KeyType::Ed25519).value();
    account::DomainKey key;
    key.domain = std::move(domain);
    key.selector = std::move(selector);
    key.type = "ed25519";
    key.tenant = std::move(tenant);
    key.record = made.to_record().value();
    key.sealed = account::seal(secret, account::kDomainKeyPurpose, made.to_pem().value(), random);
    key.state = state;
    records[key.record_name()] = key.record;
    ASSERT_TRUE(store->add_domain_key(key, kAuthor));
  }

  static message::Meta meta_of(std::string from, bool is_own = true) {
    message::Meta meta;
    meta.details.header_from = std::move(from);
    meta.details.is_own = is_own;
    return meta;
  }

  std::string selectors(const message::Meta& meta) const {
    const auto plan = signer->plan_for(meta);
    if (plan == nullptr) return "none";
    std::string out;
    for (const account::DomainKey* key : plan->keys) {
      out += (out.empty() ? "" : " ") + key->domain + "/" + key->selector;
    }
    return out;
  }

  std::string verdicts(const std::string& octets) const {
    auth::DkimVerifierOptions options;
    options.now = kNow;
    auth::DkimVerifier verifier(options);
    const std::size_t end = std::min(message::find_header_end(octets), octets.size());
    verifier.begin(std::string_view(octets).substr(0, end));
    verifier.update_body(std::string_view(octets).substr(end));
    verifier.finish_body();
    std::vector<auth::KeyAnswerPointer> keys;
    for (const std::string& name : verifier.key_names()) {
      dns::Answer answer;
      answer.status = dns::Status::Ok;
      answer.rdata.push_back(dns::rdata_of_text(records.at(name)));
      keys.push_back(std::make_shared<const auth::KeyAnswer>(auth::read_key_answer(answer)));
    }
    std::string out;
    for (const auth::DkimResult& result : verifier.verify(keys)) {
      out += result.selector + "=" + std::string(auth::verdict_name(result.verdict)) + " ";
    }
    return out;
  }

  base::SeededRandom random{1};
  account::HashKey secret{random};
  std::string folder;
  std::unique_ptr<account::Store> store;
  std::unique_ptr<MessageSigner> signer;
  std::map<std::string, std::string> records;
};

TEST_F(MessageSignerTest, SignsForTheNearestDomainThatHasKeys) {
  EXPECT_EQ(selectors(meta_of("a@example.org")), "none");
  add("example.org", "s1");
  add("example.org", "s2");
  add("news.example.org", "n1");
  add("example.net", "p1", "", account::DomainKeyState::Pending);
  EXPECT_EQ(selectors(meta_of("a@example.org")), "example.org/s1 example.org/s2");
  EXPECT_EQ(selectors(meta_of("a@EXAMPLE.org")), "example.org/s1 example.org/s2");
  EXPECT_EQ(selectors(meta_of("a@news.example.org")), "news.example.org/n1");
  EXPECT_EQ(selectors(meta_of("a@x.y.example.org")), "example.org/s1 example.org/s2");
  EXPECT_EQ(selectors(meta_of("a@badexample.org")), "none");
  EXPECT_EQ(selectors(meta_of("a@example.net")), "none") << "pending keys sign nothing";
  EXPECT_EQ(selectors(meta_of("")), "none");
}

TEST_F(MessageSignerTest, SignsOwnMailOnlyAndOnlyTheTenants) {
  ASSERT_TRUE(store->add_tenant("shop", kAuthor));
  add("example.org", "any");
  add("example.org", "shop", "shop");
  EXPECT_EQ(selectors(meta_of("a@example.org", false)), "none")
      << "what strangers bring with our domain may be forged";
  EXPECT_EQ(selectors(meta_of("a@example.org")), "example.org/any");
  message::Meta meta = meta_of("a@example.org");
  meta.details.tenant = "shop";
  EXPECT_EQ(selectors(meta), "example.org/any example.org/shop");
  message::Meta report = meta_of("mailer-daemon@example.org", false);
  report.details.is_generated = true;
  EXPECT_EQ(selectors(report), "example.org/any");
}

TEST_F(MessageSignerTest, MakesSignaturesThatVerifyHoweverTheOctetsCome) {
  add("example.org", "s1");
  add("example.org", "s2");
  const std::string octets =
      "From: a@example.org\r\nSubject: s\r\nContent-Type: text/plain; charset=utf-8\r\n"
      "MIME-Version: 1.0\r\nContent-Transfer-Encoding: 8bit\r\n\r\nb\xc3\xb6"
      "dy \r\n";
  const std::string converted = message::convert(octets, message::Conversion::SevenBit).value();
  const auto plan = signer->plan_for(meta_of("a@example.org"));
  for (const bool is_seven_bit : {false, true}) {
    for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, octets.size()}) {
      Signing signing(*signer, plan, kNow, is_seven_bit);
      for (std::size_t at = 0; at < octets.size(); at += piece) {
        ASSERT_TRUE(signing.feed(std::string_view(octets).substr(at, piece)));
      }
      const std::string fields = signing.finish().value();
      EXPECT_EQ(verdicts(fields + (is_seven_bit ? converted : octets)), "s1=pass s2=pass ");
    }
  }
  EXPECT_EQ(signer->take_signed().size(), 2u);
  EXPECT_TRUE(signer->take_signed().empty());
}

TEST_F(MessageSignerTest, MakesNothingWithAKeyThatItCannotOpen) {
  add("example.org", "s1");
  base::SeededRandom another(2);
  MessageSigner stranger(*store, account::HashKey(another));
  const auto plan = stranger.plan_for(meta_of("a@example.org"));
  ASSERT_NE(plan, nullptr) << "the message should be signed all the same";
  Signing signing(stranger, plan, kNow, false);
  ASSERT_TRUE(signing.feed("From: a@example.org\r\n\r\n"));
  EXPECT_EQ(signing.finish().error(), auth::Errc::BadKey);
}

TEST_F(MessageSignerTest, RefusesMessagesWithoutAnAuthor) {
  add("example.org", "s1");
  const auto plan = signer->plan_for(meta_of("a@example.org"));
  Signing signing(*signer, plan, kNow, false);
  ASSERT_TRUE(signing.feed("Subject: "));
  EXPECT_EQ(signing.finish().error(), auth::Errc::BadRecord);
}

TEST_F(MessageSignerTest, KeepsWhatItMadeWithinItsLimit) {
  MessageSigner::Kept what;
  what.keys = {1};
  EXPECT_FALSE(signer->find_kept(what));
  signer->keep(what, "fields");
  EXPECT_EQ(signer->find_kept(what), "fields");
  MessageSigner::Kept other = what;
  other.is_seven_bit = true;
  EXPECT_FALSE(signer->find_kept(other)) << "other octets";
  for (std::uint64_t i = 1; i <= kSignaturesKeptMax; ++i) {
    other.keys = {static_cast<std::int64_t>(i), 2};
    signer->keep(other, "x");
  }
  EXPECT_FALSE(signer->find_kept(what)) << "the oldest goes first";
}

}  // namespace
}  // namespace ekiden::delivery
