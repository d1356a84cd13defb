// `ekiden user …` on a real store: what it does, and how it says no.
#include "ekiden/cli/user_commands.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <sstream>

namespace ekiden::cli {
namespace {

struct UserCommandsTest : testing::Test {
  UserCommandsTest() {
    std::string pattern = testing::TempDir() + "ekiden-user-XXXXXX";
    dir = ::mkdtemp(pattern.data());
    store = std::move(*account::Store::open(dir, now));
  }
  ~UserCommandsTest() override {
    store.reset();
    std::filesystem::remove_all(dir);
  }

  int add(const UserAddOptions& options, const std::string& input = {}) {
    return run([&](UserContext& c) { return user_add(options, c); }, input);
  }
  template <class Command>
  int run(Command command, const std::string& input = {}) {
    std::istringstream in(input);
    std::ostringstream o, e;
    UserContext context{*store, key, random, {"a test", now}, in, o, e, is_json, {1, 8192}};
    const int status = command(context);
    out = o.str();
    err = e.str();
    return status;
  }
  const account::Credential* find(std::string_view name) {
    snapshot = store->current();
    return snapshot->find_by_name(name);
  }
  static UserAddOptions with_password(std::string name) {
    UserAddOptions options;
    options.name = std::move(name);
    options.secret.password_stdin = true;
    return options;
  }

  std::string dir, out, err;
  bool is_json = false;
  base::Time now = base::from_unix_us(1'800'000'000'000'000);
  base::SeededRandom random{1};
  account::HashKey key{std::string(32, 'k')};
  std::unique_ptr<account::Store> store;
  std::shared_ptr<const account::Snapshot> snapshot;
};

TEST_F(UserCommandsTest, AddTakesThePasswordFromStandardInput) {
  ASSERT_EQ(add(with_password("shop"), "correct horse\r\nmore"), 0) << err;
  EXPECT_EQ(out, "user shop added\n");
  ASSERT_NE(find("shop"), nullptr);
  EXPECT_TRUE(account::verify_password(find("shop")->argon2id, "correct horse"));
  EXPECT_EQ(find("shop")->scram_stored_key, "") << "only with --scram";
}

TEST_F(UserCommandsTest, AddKeepsLimitsInCanonicalForm) {
  UserAddOptions options = with_password("shop");
  options.sender_domains = {"Example.JP", "例え.jp"};
  options.networks = {"192.0.2.0/24", "2001:db8::1"};
  options.certificate_sha256 = "AB:" + std::string(62, 'c');
  options.secret.scram = true;
  ASSERT_EQ(add(options, "correct horse\n"), 0) << err;
  const account::Credential* user = find("shop");
  EXPECT_EQ(user->sender_domains, (std::vector<std::string>{"example.jp", "xn--r8jz45g.jp"}));
  EXPECT_EQ(user->networks.size(), 2u);
  EXPECT_EQ(user->certificate_sha256, "ab" + std::string(62, 'c'));
  EXPECT_EQ(user->scram_iterations, account::kScramIterations);
}

TEST_F(UserCommandsTest, AnApiKeyIsShownOnceAndWorks) {
  UserAddOptions options;
  options.name = "robot";
  options.secret.api_key = true;
  ASSERT_EQ(add(options), 0) << err;
  const std::string shown = out.substr(out.find("ek_"), 46);
  EXPECT_EQ(find("robot")->key_hash, account::hash_api_key(key, shown));
  EXPECT_EQ(run([](UserContext& c) { return user_list({}, c); }), 0);
  EXPECT_EQ(out.find("ek_"), std::string::npos);
  EXPECT_NE(out.find("login=api-key"), std::string::npos);
}

TEST_F(UserCommandsTest, AUserWithoutAWayToLogInIsWrongUsage) {
  UserAddOptions options;
  options.name = "shop";
  EXPECT_EQ(add(options), 2);
  EXPECT_NE(err.find("--password-stdin"), std::string::npos);
  options.secret.scram = options.secret.api_key = true;
  EXPECT_EQ(add(options), 2) << "--scram without a password";
}

TEST_F(UserCommandsTest, BadValuesAreNamed) {
  EXPECT_EQ(add(with_password("shop"), ""), 1);
  EXPECT_NE(err.find("no password"), std::string::npos);
  EXPECT_EQ(add(with_password("shop"), "short\n"), 1);
  EXPECT_EQ(add(with_password("shop"), std::string(5000, 'x')), 1);
  EXPECT_EQ(add(with_password("a\tb"), "correct horse\n"), 1);
  EXPECT_EQ(err.find('\t'), std::string::npos) << "shown without control characters";
  UserAddOptions options = with_password("shop");
  options.networks = {"192.0.2.1/24"};
  EXPECT_EQ(add(options, "correct horse\n"), 2);
  EXPECT_NE(err.find("192.0.2.1/24"), std::string::npos);
  options = with_password("shop");
  options.sender_domains = {"no domain"};
  EXPECT_EQ(add(options, "correct horse\n"), 2);
  options = with_password("shop");
  options.certificate_sha256 = "12";
  EXPECT_EQ(add(options, "correct horse\n"), 1);
  EXPECT_EQ(find("shop"), nullptr);
}

TEST_F(UserCommandsTest, AnUnknownTenantComesWithAHint) {
  UserAddOptions options = with_password("shop");
  options.tenant = "acme";
  EXPECT_EQ(add(options, "correct horse\n"), 1);
  EXPECT_NE(err.find("there is: default"), std::string::npos) << err;
  EXPECT_EQ(run([](UserContext& c) { return tenant_add("acme", c); }), 0);
  EXPECT_EQ(add(options, "correct horse\n"), 0) << err;
  EXPECT_EQ(run([](UserContext& c) { return tenant_list(c); }), 0);
  EXPECT_EQ(out, "acme  users=1\ndefault  users=0\n");
}

TEST_F(UserCommandsTest, ASecondUserOfTheSameNameIsRefused) {
  ASSERT_EQ(add(with_password("shop"), "correct horse\n"), 0);
  EXPECT_EQ(add(with_password("shop"), "correct horse\n"), 1);
  EXPECT_NE(err.find("user passwd"), std::string::npos);
}

TEST_F(UserCommandsTest, PasswdReplacesAndRemoveRemoves) {
  ASSERT_EQ(add(with_password("shop"), "correct horse\n"), 0);
  UserPasswdOptions options{"shop", {.password_stdin = true}};
  EXPECT_EQ(run([&](UserContext& c) { return user_passwd(options, c); }, "battery staple\n"), 0);
  EXPECT_TRUE(account::verify_password(find("shop")->argon2id, "battery staple"));
  EXPECT_EQ(run([&](UserContext& c) { return user_passwd({"shop", {}}, c); }), 2);
  options.name = "nobody";
  EXPECT_EQ(run([&](UserContext& c) { return user_passwd(options, c); }, "battery staple\n"), 1);
  EXPECT_EQ(run([](UserContext& c) { return user_remove("shop", c); }), 0);
  EXPECT_EQ(run([](UserContext& c) { return user_remove("shop", c); }), 1);
  EXPECT_EQ(run([](UserContext& c) { return user_list({}, c); }), 0);
  EXPECT_EQ(out, "no users\n");
}

TEST_F(UserCommandsTest, JsonIsOneObjectPerAnswer) {
  is_json = true;
  ASSERT_EQ(add(with_password("a\"b"), "correct horse\n"), 0);
  EXPECT_EQ(out, "{\"user\":\"a\\\"b\",\"done\":\"added\"}\n");
  EXPECT_EQ(run([](UserContext& c) { return user_list({}, c); }), 0);
  EXPECT_EQ(out,
            "{\"users\":[{\"name\":\"a\\\"b\",\"tenant\":\"default\",\"stream\":\"transactional\","
            "\"methods\":[\"password\"],\"sender_domains\":[],\"networks\":[],"
            "\"certificate_sha256\":null}]}\n");
  EXPECT_EQ(run([](UserContext& c) { return user_list({"acme"}, c); }), 1);
}

}  // namespace
}  // namespace ekiden::cli
