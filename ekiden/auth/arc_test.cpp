#include <gtest/gtest.h>

#include <algorithm>

#include "ekiden/auth/arc_sealer.hpp"
#include "ekiden/auth/arc_validator.hpp"
#include "ekiden/auth/authentication_results.hpp"
#include "ekiden/auth/error.hpp"
#include "ekiden/auth/test_mail.hpp"

namespace ekiden::auth {
namespace {

using namespace test_mail;

ArcResult validate(std::string_view octets, const Zone& keys) {
  ArcValidator validator;
  const auto [header, body] = split(octets);
  validator.begin(header);
  validator.update_body(body);
  validator.finish_body();
  return validator.verify(keys_of(validator.key_names(), keys));
}

ArcResult validate(std::string_view octets) {
  return validate(octets, zone());
}

std::string report_of(const ArcResult& result) {
  return std::string(arc_status_name(result.status)) + " " + std::to_string(result.instance) +
         (result.reason.empty() ? "" : ": ") + result.reason;
}

ArcSealerOptions options_of(DkimIdentity identity) {
  ArcSealerOptions options;
  options.identity = std::move(identity);
  options.authserv_id = "list.example.org";
  options.signed_at = kNow;
  return options;
}

/// The message with one more set in front, or as it was when none may be added.
std::string sealed(const std::string& octets, ArcSealerOptions options) {
  ArcSealer sealer(std::move(options));
  const auto [header, body] = split(octets);
  EXPECT_TRUE(sealer.begin(header));
  sealer.update_body(body);
  return *sealer.finish(validate(octets), "spf=pass smtp.mfrom=a@example.org; dkim=pass") + octets;
}

std::string sealed(const std::string& octets) {
  return sealed(octets, options_of(rsa_identity()));
}

TEST(Arc, ChainsAreMadeAndValidated) {
  EXPECT_EQ(report_of(validate(message())), "none 0");
  const std::string first = sealed(message());
  EXPECT_EQ(report_of(validate(first)), "pass 1");
  const std::string second = sealed(first, options_of(ed25519_identity()));
  EXPECT_EQ(report_of(validate(second)), "pass 2");
  EXPECT_NE(second.find("cv=pass; d=example.org; i=2; s=e1; t=1795305600\r\n"), std::string::npos)
      << second;
  EXPECT_EQ(second.find("ARC-Seal"), 0u);
}

TEST(Arc, SealsHoldWithAnyListOfNames) {
  for (std::vector<std::string> names :
       {std::vector<std::string>{"from", "subject", "arc-authentication-results"},
        std::vector<std::string>{"from", "arc-authentication-results",
                                 "arc-authentication-results"},
        std::vector<std::string>(40, "from")}) {
    ArcSealerOptions options = options_of(rsa_identity());
    options.exact_names = std::move(names);
    const std::string first = sealed(message(), options);
    EXPECT_EQ(report_of(validate(first)), "pass 1") << first;
    EXPECT_EQ(report_of(validate(sealed(first, options))), "pass 2");
  }
}

TEST(Arc, SeesWhatWasChanged) {
  const std::string good = sealed(sealed(message()));
  std::string changed = good;
  changed.replace(changed.find("this is"), 4, "that");
  EXPECT_EQ(report_of(validate(changed)),
            "fail 2: ARC-Message-Signature i=2: body hash did not verify");
  changed = good;
  changed.replace(changed.find("Subject: Hello"), 14, "Subject: Howdy");
  EXPECT_EQ(report_of(validate(changed)),
            "fail 2: ARC-Message-Signature i=2: signature did not verify");
  changed = good;
  const std::size_t old_results = changed.rfind("dkim=pass");
  changed.replace(old_results, 9, "dkim=fail");
  EXPECT_EQ(report_of(validate(changed)), "fail 2: ARC-Seal i=2: signature did not verify");
  EXPECT_EQ(report_of(validate(good, {})),
            "fail 2: ARC-Message-Signature i=2: no key for signature");
}

TEST(Arc, NeedsWholeSetsWithoutGaps) {
  const std::string one = sealed(message());
  const std::string two = sealed(one);
  const std::string set = two.substr(0, two.size() - one.size());
  EXPECT_EQ(report_of(validate(set + message())), "fail 2: no ARC-Authentication-Results of i=1");
  EXPECT_EQ(report_of(validate(one.substr(one.find("ARC-Message")))), "fail 1: no ARC-Seal of i=1");
  EXPECT_EQ(report_of(validate(set + two)), "fail 2: two ARC-Seal of i=2");
  std::string wrong = one;
  wrong.replace(wrong.find("i=1"), 3, "i=51");
  EXPECT_EQ(validate(wrong).status, ArcStatus::Fail);
}

// RFC 8617 §5.1.2.
TEST(Arc, AFailedChainIsSealedOnceAndNeverAgain) {
  std::string broken = sealed(message());
  broken.replace(broken.find("this is"), 4, "that");
  const std::string marked = sealed(broken);
  EXPECT_NE(marked.find("cv=fail"), std::string::npos);
  EXPECT_EQ(report_of(validate(marked)), "fail 2: ARC-Seal i=2 says cv=fail");
  EXPECT_EQ(sealed(marked), marked);
}

TEST(Arc, ChainsEndAtFifty) {
  std::string octets = message();
  for (std::uint32_t i = 0; i < kArcSetsMax; ++i) {
    octets = sealed(octets, options_of(ed25519_identity()));
  }
  EXPECT_EQ(report_of(validate(octets)), "pass 50");
  EXPECT_EQ(sealed(octets), octets) << "there is no room for a 51st set";
}

TEST(Arc, RefusesNamesThatNoMessageSignatureMayList) {
  for (const std::vector<std::string>& names :
       {std::vector<std::string>{"from", "ARC-Seal"}, std::vector<std::string>{"subject"}}) {
    ArcSealerOptions options = options_of(rsa_identity());
    options.exact_names = names;
    ArcSealer sealer(options);
    EXPECT_EQ(sealer.begin(split(message()).first).error(), Errc::BadRecord);
  }
}

}  // namespace
}  // namespace ekiden::auth
