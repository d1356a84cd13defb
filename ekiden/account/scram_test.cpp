// SCRAM against the example of RFC 7677 §3, then against clients that lie.
#include "ekiden/account/scram.hpp"

#include <gtest/gtest.h>

#include "ekiden/base/random.hpp"
#include "ekiden/base/text.hpp"

namespace ekiden::account {
namespace {

constexpr const char* kFirst = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
constexpr const char* kServerFirst =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
constexpr const char* kFinal =
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
    "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";

ScramKeys example_keys() {
  return make_scram_keys("pencil", *base::decode_base64("W22ZaJ0SNY7soEsUEjb6gQ=="), 4096);
}

ScramExchange::Options example_options() {
  ScramExchange::Options options;
  options.nonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
  return options;
}

/// A client that computes honest messages, to be spoilt by the tests.
std::string client_final(std::string_view password, const std::string& binding,
                         const std::string& first_bare, const std::string& server_first) {
  const std::string nonce = server_first.substr(0, server_first.find(','));
  const std::string salt_and_more = server_first.substr(server_first.find(",s=") + 3);
  const std::string salt = *base::decode_base64(salt_and_more.substr(0, salt_and_more.find(',')));
  const ScramKeys keys = make_scram_keys(password, salt, 4096);
  const std::string without_proof = "c=" + base::encode_base64(binding) + "," + nonce;
  const std::string auth = first_bare + "," + server_first + "," + without_proof;
  // ClientKey is what StoredKey hides; get it again from the password.
  std::string salted = salt + std::string("\0\0\0\1", 4);
  std::string u = hmac_sha256(password, salted), result = u;
  for (int i = 1; i < 4096; ++i) {
    u = hmac_sha256(password, u);
    for (std::size_t k = 0; k < u.size(); ++k) result[k] = static_cast<char>(result[k] ^ u[k]);
  }
  std::string proof = hmac_sha256(result, "Client Key");
  const std::string signature = hmac_sha256(keys.stored_key, auth);
  for (std::size_t k = 0; k < proof.size(); ++k) {
    proof[k] = static_cast<char>(proof[k] ^ signature[k]);
  }
  return without_proof + ",p=" + base::encode_base64(proof);
}

TEST(Scram, FollowsTheExampleOfRfc7677) {
  ScramExchange exchange(example_options());
  ASSERT_TRUE(exchange.read_first(kFirst));
  EXPECT_EQ(exchange.name(), "user");
  EXPECT_EQ(exchange.challenge(example_keys()), kServerFirst);
  EXPECT_EQ(exchange.read_final(kFinal), "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
}

TEST(Scram, AnyChangedOctetOfTheFinalMessageIsRefused) {
  const std::string final = kFinal;
  for (std::size_t i = 0; i < final.size(); ++i) {
    ScramExchange exchange(example_options());
    ASSERT_TRUE(exchange.read_first(kFirst));
    exchange.challenge(example_keys());
    std::string changed = final;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(exchange.read_final(changed)) << changed;
  }
}

TEST(Scram, AnotherPasswordIsRefused) {
  ScramExchange exchange(example_options());
  ASSERT_TRUE(exchange.read_first(kFirst));
  const std::string server_first = exchange.challenge(example_keys());
  EXPECT_FALSE(exchange.read_final(
      client_final("pencils", "n,,", "n=user,r=rOprNGfwEbeRWgbNEkqO", server_first)));
}

TEST(Scram, TruncatedMessagesAreRefused) {
  for (std::size_t n = 0; n < std::string(kFinal).size(); ++n) {
    ScramExchange exchange(example_options());
    ASSERT_TRUE(exchange.read_first(kFirst));
    exchange.challenge(example_keys());
    EXPECT_FALSE(exchange.read_final(std::string(kFinal).substr(0, n)));
  }
}

TEST(Scram, MalformedFirstMessagesAreRefused) {
  for (const char* first : {"",
                            ",",
                            ",,",
                            "n",
                            "n,",
                            "n,,",
                            "x,,n=user,r=abc",
                            "n,b=c,n=user,r=abc",
                            "n,,n=,r=abc",
                            "n,,n=user",
                            "n,,n=user,r=",
                            "n,,n=user,r=a b",
                            "n,,m=ext,n=user,r=abc",
                            "n,,n=us=er,r=abc",
                            "n,,n=us=2cer,r=abc",
                            "n,,r=abc,n=user",
                            "n,a=other,n=user,r=abc",
                            "n,a=,n=user,r=abc",
                            "p=tls-exporter,,n=user,r=abc",
                            "n,,n=\xff,r=abc"}) {
    ScramExchange exchange(example_options());
    EXPECT_FALSE(exchange.read_first(first)) << first;
  }
  ScramExchange exchange(example_options());
  EXPECT_FALSE(exchange.read_first("n,,n=user,r=" + std::string(257, 'x')));
  EXPECT_FALSE(exchange.read_first(std::string(100000, ',')));
}

TEST(Scram, NamesAreDecodedAndAuthzidMayRepeatThem) {
  ScramExchange exchange(example_options());
  ASSERT_TRUE(exchange.read_first("n,a=a=2Cb=3Dc,n=a=2Cb=3Dc,r=abc,ext=1"));
  EXPECT_EQ(exchange.name(), "a,b=c");
}

TEST(Scram, AClientThatWasToldThatWeCannotBindIsBelievedOnlyIfThatIsTrue) {
  ScramExchange honest(example_options());
  EXPECT_TRUE(honest.read_first("y,,n=user,r=abc"));
  ScramExchange::Options options = example_options();
  options.plus_was_offered = true;
  ScramExchange downgraded(options);
  EXPECT_FALSE(downgraded.read_first("y,,n=user,r=abc"));
}

TEST(Scram, PlusBindsTheChannel) {
  ScramExchange::Options options = example_options();
  options.is_plus = options.plus_was_offered = true;
  options.channel_binding = [](std::string_view type) -> std::optional<std::string> {
    if (type != "tls-exporter") return std::nullopt;
    return std::string("\x01\x02\x03", 3);
  };
  const std::string bare = "n=user,r=abc", header = "p=tls-exporter,,";
  const auto end = [&](const std::string& binding) {
    ScramExchange exchange(options);
    EXPECT_TRUE(exchange.read_first(header + bare));
    const std::string server_first = exchange.challenge(example_keys());
    return exchange.read_final(client_final("pencil", binding, bare, server_first)).has_value();
  };
  EXPECT_TRUE(end(header + "\x01\x02\x03"));
  EXPECT_FALSE(end(header + "\x01\x02\x04")) << "another channel";
  EXPECT_FALSE(end("n,,"));
  for (const char* first :
       {"n,,n=user,r=abc", "y,,n=user,r=abc", "p=,,n=user,r=abc", "p=tls-unique,,n=user,r=abc"}) {
    ScramExchange exchange(options);
    EXPECT_FALSE(exchange.read_first(first)) << first;
  }
}

TEST(Scram, RandomOctetsNeverSucceedNorCrash) {
  base::SeededRandom random(3);
  const std::string alphabet = "n,=ypacr= \xff\x01user";
  for (int i = 0; i < 20000; ++i) {
    std::string first, final = "c=";
    for (auto n = random.below(40); n > 0; --n) first += alphabet[random.below(alphabet.size())];
    for (auto n = random.below(40); n > 0; --n) final += alphabet[random.below(alphabet.size())];
    ScramExchange exchange(example_options());
    if (exchange.read_first(first)) exchange.challenge(example_keys());
    EXPECT_FALSE(exchange.read_final(final));
  }
}

}  // namespace
}  // namespace ekiden::account
