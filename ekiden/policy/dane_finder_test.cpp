#include "ekiden/policy/dane_finder.hpp"

#include <gtest/gtest.h>

#include "ekiden/dns/records.hpp"
#include "tests/support/auth_rig.hpp"

namespace ekiden::policy {
namespace {

using Kind = DaneFound::Kind;

dns::Tlsa usable(int usage = 3) {
  return {static_cast<std::uint8_t>(usage), 1, 1, std::string(32, 'x')};
}

struct Rig : test::AuthRig {
  Rig& tlsa(const std::string& host, const dns::Tlsa& record) {
    dns.record("_25._tcp." + host, dns::Type::TLSA, dns::rdata_of_tlsa(record));
    return *this;
  }
  DaneFound find(std::string host = "mx.example") {
    return run(find_dane(dns, {std::move(host), 25, "example"}));
  }
};

TEST(DaneFinder, SecureRecordsOfASecureHostDecide) {
  Rig rig;
  rig.dns.a("mx.example", "192.0.2.1").secure("mx.example").secure("_25._tcp.mx.example");
  rig.tlsa("mx.example", usable());
  const DaneFound found = rig.find();
  ASSERT_EQ(found.kind, Kind::Usable);
  EXPECT_EQ(found.dane->base_name, "mx.example");
  EXPECT_EQ(found.dane->names, std::vector<std::string>{"example"});
  EXPECT_EQ(found.dane->records, std::vector<dns::Tlsa>{usable()});
}

TEST(DaneFinder, AHostThatHasOnlyIpv6IsOneToo) {
  Rig rig;
  rig.dns.aaaa("mx.example", "2001:db8::1").secure("mx.example").secure("_25._tcp.mx.example");
  rig.tlsa("mx.example", usable());
  EXPECT_EQ(rig.find().kind, Kind::Usable);
}

TEST(DaneFinder, AnInsecureHostIsNotEvenAskedAbout) {
  // RFC 7672 §2.2.2: the records would be worth nothing, and the question may hurt.
  Rig rig;
  rig.dns.a("mx.example", "192.0.2.1").secure("_25._tcp.mx.example");
  rig.tlsa("mx.example", usable());
  EXPECT_EQ(rig.find().kind, Kind::None);
  EXPECT_EQ(rig.dns.asked("_25._tcp.mx.example", dns::Type::TLSA), 0U);
}

TEST(DaneFinder, InsecureOrAbsentRecordsSayNothing) {
  Rig rig;
  rig.dns.a("mx.example", "192.0.2.1").secure("mx.example");
  EXPECT_EQ(rig.find().kind, Kind::None);
  rig.tlsa("mx.example", usable());
  EXPECT_EQ(rig.find().kind, Kind::None);
  EXPECT_EQ(rig.dns.asked("_25._tcp.mx.example", dns::Type::TLSA), 2U);
}

TEST(DaneFinder, RecordsOfWhichNoneIsUsableAskForTls) {
  Rig rig;
  rig.dns.a("mx.example", "192.0.2.1").secure("mx.example").secure("_25._tcp.mx.example");
  rig.tlsa("mx.example", usable(0)).tlsa("mx.example", {3, 1, 1, "short"});
  EXPECT_EQ(rig.find().kind, Kind::Unusable);
  rig.tlsa("mx.example", usable(2));
  const DaneFound found = rig.find();
  EXPECT_EQ(found.kind, Kind::Usable);
  EXPECT_EQ(found.dane->records, std::vector<dns::Tlsa>{usable(2)});
}

TEST(DaneFinder, BogusOrMissingAnswersAreAFailure) {
  for (const dns::Status status : {dns::Status::Bogus, dns::Status::Failed}) {
    Rig rig;
    rig.dns.a("mx.example", "192.0.2.1").secure("mx.example");
    rig.dns.fail("_25._tcp.mx.example", status);
    const DaneFound found = rig.find();
    EXPECT_EQ(found.kind, Kind::Failed);
    EXPECT_NE(found.reason.find("_25._tcp.mx.example"), std::string::npos) << found.reason;
    Rig address;
    address.dns.fail("mx.example", status);
    EXPECT_EQ(address.find().kind, Kind::Failed);
  }
}

TEST(DaneFinder, AFailingFamilyIsNoDenial) {
  Rig rig;
  rig.dns.a("mx.example", "192.0.2.1").secure("mx.example").secure("_25._tcp.mx.example");
  rig.dns.fail("mx.example", dns::Status::Bogus, dns::Type::AAAA);
  rig.tlsa("mx.example", usable());
  EXPECT_EQ(rig.find().kind, Kind::Usable);
  Rig only;
  only.dns.fail("mx.example", dns::Status::Bogus, dns::Type::AAAA).secure("mx.example");
  EXPECT_EQ(only.find().kind, Kind::Failed);
}

TEST(DaneFinder, TheEndOfSecureAliasesComesFirst) {
  // RFC 7672 §2.2.3.
  Rig rig;
  rig.dns.cname("mx.example", "host.other").a("host.other", "192.0.2.1");
  for (const char* name : {"mx.example", "host.other", "_25._tcp.mx.example"}) rig.dns.secure(name);
  rig.tlsa("mx.example", usable());
  DaneFound found = rig.find();
  ASSERT_EQ(found.kind, Kind::Usable);
  EXPECT_EQ(found.dane->base_name, "mx.example");
  rig.dns.secure("_25._tcp.host.other");
  rig.tlsa("host.other", usable(2));
  found = rig.find();
  ASSERT_EQ(found.kind, Kind::Usable);
  EXPECT_EQ(found.dane->base_name, "host.other");
  EXPECT_EQ(found.dane->names, (std::vector<std::string>{"mx.example", "example"}));
}

TEST(DaneFinder, AnAliasOutOfTheSignedTreeLeavesTheHostsOwnName) {
  // RFC 7672 §2.2.2: the alias itself is secure, what it leads to is not.
  class Resolver final : public dns::Resolver {
   public:
    explicit Resolver(test::FakeResolver& behind) : behind_(behind) {}
    void resolve(std::string name, dns::Type type, base::Completion<dns::Answer> done) override {
      if (name != "mx.example" || type != dns::Type::CNAME) {
        return behind_.resolve(std::move(name), type, std::move(done));
      }
      behind_.resolve("signed", dns::Type::A, [done = std::move(done), this](dns::Answer) mutable {
        dns::Answer answer;
        answer.status = dns::Status::Ok;
        answer.canonical_name = "mx.example";
        answer.is_secure = is_secure;
        answer.rdata = {*dns::rdata_of_name("host.plain")};
        done(std::move(answer));
      });
    }
    bool is_secure = true;

   private:
    test::FakeResolver& behind_;
  };
  Rig rig;
  rig.dns.cname("mx.example", "host.plain").a("host.plain", "192.0.2.1").secure("mx.example");
  rig.dns.secure("_25._tcp.mx.example").secure("_25._tcp.host.plain");
  rig.tlsa("mx.example", usable()).tlsa("host.plain", usable(2));
  Resolver resolver(rig.dns);
  DaneFound found = rig.run(find_dane(resolver, {"mx.example", 25, ""}));
  ASSERT_EQ(found.kind, Kind::Usable);
  EXPECT_EQ(found.dane->base_name, "mx.example");
  EXPECT_TRUE(found.dane->names.empty());
  EXPECT_EQ(rig.dns.asked("_25._tcp.host.plain", dns::Type::TLSA), 0U);
  resolver.is_secure = false;
  EXPECT_EQ(rig.run(find_dane(resolver, {"mx.example", 25, ""})).kind, Kind::None);
}

TEST(DaneFinder, TheRecordsAreThoseOfThePort) {
  Rig rig;
  rig.dns.a("mx.example", "192.0.2.1").secure("mx.example").secure("_26._tcp.mx.example");
  rig.dns.record("_26._tcp.mx.example", dns::Type::TLSA, dns::rdata_of_tlsa(usable()));
  EXPECT_EQ(rig.find().kind, Kind::None);
  EXPECT_EQ(rig.run(find_dane(rig.dns, {"mx.example", 26, ""})).kind, Kind::Usable);
}

}  // namespace
}  // namespace ekiden::policy
