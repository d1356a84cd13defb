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
           account::DomainKeyState state = account::DomainKeyState::Active,
           auth::KeyType type = auth::KeyType::Ed25519) {
    const auth::PrivateKey made = auth::PrivateKey::make(type).value();
    account::DomainKey key;
    key.domain = std::move(domain);
    key.selector = std::move(selector);
    key.type = type == auth::KeyType::Rsa ? "rsa" : "ed25519";
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

TEST_F(MessageSignerTest, TheRelaySignsBehindTheAuthor) {
  add("example.org", "author");
  add("relay.test", "relay");
  EXPECT_EQ(selectors(meta_of("a@example.org")), "example.org/author");
  SigningOptions options;
  options.relay_domain = "relay.test";
  options.oversigned = {"From", "Subject", "Reply-To"};
  signer->set_options(options);
  EXPECT_EQ(selectors(meta_of("a@example.org")), "example.org/author relay.test/relay");
  EXPECT_EQ(selectors(meta_of("a@other.test")), "relay.test/relay") << "authors without a key too";
  EXPECT_EQ(selectors(meta_of("a@relay.test")), "relay.test/relay") << "once is enough";
  EXPECT_EQ(selectors(meta_of("a@example.org", false)), "none");
  EXPECT_EQ(signer->signing_domains(meta_of("a@example.org")),
            (std::vector<std::string>{"example.org", "relay.test"}));

  const std::string octets = "From: a@example.org\r\nSubject: s\r\n\r\nbody\r\n";
  Signing signing(*signer, signer->plan_for(meta_of("a@example.org")), kNow, false);
  ASSERT_TRUE(signing.feed(octets));
  const std::string fields = signing.finish().value();
  EXPECT_EQ(verdicts(fields + octets), "author=pass relay=pass ");
  EXPECT_EQ(verdicts(fields + "Reply-To: x@y.test\r\n" + octets), "author=fail relay=fail ")
      << "what is oversigned cannot be added";
}

TEST_F(MessageSignerTest, MailThatIsPassedOnIsSealedBehindOurResults) {
  add("own.test", "ed");
  add("own.test", "rsa", "", account::DomainKeyState::Active, auth::KeyType::Rsa);
  SigningOptions options;
  options.hostname = "relay.test";
  signer->set_options(options);
  message::Meta meta = meta_of("friend@else.test", false);
  meta.envelope.recipients = {{"me@far.test", "rfc822;me@own.test", 0, ""}};
  EXPECT_EQ(signer->plan_for(meta), nullptr) << "what we have not evaluated is not sealed";
  meta.details.is_authenticated = true;
  const auto plan = signer->plan_for(meta);
  ASSERT_NE(plan, nullptr);
  EXPECT_TRUE(plan->seals);
  EXPECT_EQ(plan->keys.front()->selector, "rsa") << "the alias's domain, and RSA only";

  const auto seal = [&](const std::string& octets) {
    Signing signing(*signer, plan, kNow, false);
    for (const char c : octets) EXPECT_TRUE(signing.feed(std::string_view(&c, 1)));
    return signing.finish().value();
  };
  const std::string mail = "From: friend@else.test\r\nSubject: s\r\n\r\nbody\r\n";
  const std::string results = "Authentication-Results: relay.test; spf=pass; dkim=none\r\n";
  const std::string first = seal(results + mail);
  EXPECT_NE(first.find("ARC-Seal: "), std::string::npos) << first;
  EXPECT_NE(first.find("cv=none"), std::string::npos) << first;
  EXPECT_NE(first.find("i=1"), std::string::npos);
  EXPECT_EQ(seal(mail), "") << "nothing to say, nothing sealed";
  EXPECT_EQ(seal(results + first + mail), "") << "a chain that our results do not tell of";

  const std::string passed = "Authentication-Results: relay.test; spf=pass; arc=pass\r\n";
  EXPECT_NE(seal(passed + first + mail).find("cv=pass"), std::string::npos);
  const std::string failed = "Authentication-Results: relay.test; spf=pass; arc=fail\r\n";
  const std::string broken = seal(failed + first + mail);
  // RFC 8617 §5.1.1, §5.1.2: said once, over that set alone; then the chain is left alone.
  EXPECT_NE(broken.find("cv=fail"), std::string::npos) << broken;
  EXPECT_EQ(seal(failed + broken + first + mail), "");
  EXPECT_EQ(seal("Authentication-Results: relay.test; spf=pass\r\nSubject: x\r\n\r\n"), "")
      << "without From it goes on without";

  options.seals = false;
  signer->set_options(options);
  EXPECT_EQ(signer->plan_for(meta), nullptr);
}

struct WaitingExecutor final : base::Executor {
  void post(base::Work work) override { waiting.push_back(std::move(work)); }
  void run() {
    std::vector<base::Work> now = std::exchange(waiting, {});
    for (base::Work& work : now) work();
  }
  std::vector<base::Work> waiting;
};

TEST_F(MessageSignerTest, OfTwoThatNeedTheSameFieldsOneMakesThem) {
  MessageSigner::Kept what, other;
  what.keys = {1};
  other.keys = {2};
  WaitingExecutor home;
  int woken = 0;
  std::optional<MessageSigner::Claim> claim = signer->try_claim(what);
  ASSERT_TRUE(claim);
  EXPECT_FALSE(signer->try_claim(what));
  EXPECT_TRUE(signer->try_claim(other)) << "other fields are another's work";
  signer->wait_for(what, home, [&](bool) { ++woken; });
  signer->wait_for(what, home, [&](bool) { ++woken; });
  home.run();
  EXPECT_EQ(woken, 0);
  claim.reset();
  home.run();
  EXPECT_EQ(woken, 2) << "who waits is told, and looks for what was made";
  EXPECT_TRUE(signer->try_claim(what));
  signer->wait_for(other, home, [&](bool) { ++woken; });
  home.run();
  EXPECT_EQ(woken, 3) << "nobody has it any more";
  claim = signer->try_claim(what);
  signer->wait_for(what, home, [&](bool) { ++woken; });
  signer->abandon();
  claim.reset();
  home.run();
  EXPECT_EQ(woken, 3) << "the threads have ended: nobody is woken";
}

}  // namespace
}  // namespace ekiden::delivery
