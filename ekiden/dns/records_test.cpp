#include "ekiden/dns/records.hpp"

#include <gtest/gtest.h>

#include "ekiden/base/random.hpp"
#include "ekiden/dns/name.hpp"

namespace ekiden::dns {
namespace {

Answer answer_of(std::vector<std::string> rdata) {
  Answer answer;
  answer.status = Status::Ok;
  answer.rdata = std::move(rdata);
  return answer;
}

TEST(Name, GoesToTheWireAndBackInLowerCase) {
  const auto wire = wire_of_name("MX.Example.COM.");
  ASSERT_TRUE(wire);
  EXPECT_EQ(*wire, std::string("\2mx\7example\3com\0", 16));
  std::string_view rest = *wire;
  EXPECT_EQ(take_name(rest), "mx.example.com");
  EXPECT_TRUE(rest.empty());
}

TEST(Name, TheRootIsEmpty) {
  EXPECT_EQ(wire_of_name("."), std::string(1, '\0'));
  EXPECT_EQ(wire_of_name(""), std::string(1, '\0'));
  std::string_view rest("\0", 1);
  EXPECT_EQ(take_name(rest), "");
}

TEST(Name, RefusesWhatCannotExist) {
  EXPECT_FALSE(wire_of_name("a..b"));
  EXPECT_FALSE(wire_of_name(".a"));
  EXPECT_FALSE(wire_of_name("a.."));
  EXPECT_FALSE(wire_of_name("a b.example"));
  EXPECT_FALSE(wire_of_name("例え.example"));
  EXPECT_FALSE(wire_of_name(std::string_view("a\0b", 3)));
  EXPECT_TRUE(wire_of_name(std::string(63, 'a') + ".example"));
  EXPECT_FALSE(wire_of_name(std::string(64, 'a') + ".example"));
  std::string longest;
  for (int i = 0; i < 127; ++i) longest += "a.";
  EXPECT_TRUE(wire_of_name(longest));
  EXPECT_FALSE(wire_of_name("a." + longest));
}

TEST(Name, AnyOctetsMayBeAskedForWithinTheSizes) {
  EXPECT_TRUE(may_be_asked(""));
  EXPECT_TRUE(may_be_asked("macro%percent  space%20.example.com"));
  EXPECT_TRUE(may_be_asked("foo:bar/baz.\x80\x01.example.com"));
  EXPECT_FALSE(may_be_asked("."));
  EXPECT_FALSE(may_be_asked("a."));
  EXPECT_FALSE(may_be_asked(".a"));
  EXPECT_FALSE(may_be_asked("a..b"));
  EXPECT_TRUE(may_be_asked(std::string(63, 'a') + ".example"));
  EXPECT_FALSE(may_be_asked(std::string(64, 'a') + ".example"));
  std::string longest;
  for (int i = 0; i < 126; ++i) longest += "a.";
  longest += "a";  // 253 octets
  EXPECT_TRUE(may_be_asked(longest));
  EXPECT_FALSE(may_be_asked(longest + "a"));
}

TEST(Name, AWireNameIsReadWithinItsBounds) {
  for (const std::string& wire :
       {std::string("\5ab", 3), std::string("\3com", 4), std::string("\300\014", 2), std::string(),
        std::string("\3a.b\0", 5), std::string("\2a\n\0", 4)}) {
    std::string_view rest = wire;
    EXPECT_FALSE(take_name(rest));
  }
  std::string endless;
  for (int i = 0; i < 200; ++i) endless += std::string("\1a", 2);
  endless.push_back('\0');
  std::string_view rest = endless;
  EXPECT_FALSE(take_name(rest));
}

TEST(Records, ReadsAddressesOfBothFamilies) {
  const auto addresses = addresses_of(
      answer_of({*rdata_of_address("192.0.2.1"), "abc", "", *rdata_of_address("2001:db8::1")}));
  ASSERT_EQ(addresses.size(), 2u);
  EXPECT_EQ(addresses[0].to_string(), "192.0.2.1");
  EXPECT_EQ(addresses[1].to_string(), "2001:db8::1");
}

TEST(Records, ReadsMxAndLeavesOutTheMalformed) {
  const auto mx = mx_of(answer_of({*rdata_of_mx(10, "MX.example.com"), *rdata_of_mx(0, "."),
                                   std::string("\0\12\2mx", 5), "x", *rdata_of_mx(300, "b.c") + "x",
                                   *rdata_of_mx(300, "b.c")}));
  ASSERT_EQ(mx.size(), 3u);
  EXPECT_EQ(mx[0].preference, 10);
  EXPECT_EQ(mx[0].host, "mx.example.com");
  EXPECT_EQ(mx[1].host, "");
  EXPECT_EQ(mx[2].preference, 300);
}

TEST(Records, JoinsTheStringsOfAText) {
  const std::string long_text(600, 'x');
  const auto texts = texts_of(answer_of({rdata_of_text("v=spf1 -all"), rdata_of_text(long_text),
                                         rdata_of_text(""), std::string("\5abc", 4), ""}));
  ASSERT_EQ(texts.size(), 3u);
  EXPECT_EQ(texts[0], "v=spf1 -all");
  EXPECT_EQ(texts[1], long_text);
  EXPECT_EQ(texts[2], "");
}

TEST(Records, ReadsNames) {
  EXPECT_EQ(names_of(answer_of({*rdata_of_name("Host.Example."), "junk"})),
            std::vector<std::string>{"host.example"});
}

TEST(Records, ReadsTlsa) {
  const Tlsa tlsa{3, 1, 1, std::string("\xab\0\xcd", 3)};
  EXPECT_EQ(tlsa_of(answer_of({rdata_of_tlsa(tlsa), std::string("\3\1\1", 3), "", "x"})),
            std::vector<Tlsa>{tlsa});
}

TEST(Records, ReadsTlsaAsZoneFilesWriteThem) {
  EXPECT_EQ(parse_tlsa("3 1 1 ab00cd"), (Tlsa{3, 1, 1, std::string("\xab\0\xcd", 3)}));
  EXPECT_EQ(parse_tlsa("  255\t0  2  AB00 cd "), (Tlsa{255, 0, 2, std::string("\xab\0\xcd", 3)}));
  for (const char* text : {"", "3 1 1", "3 1 1 ", "3 1 abcd", "256 1 1 ab", "3 1 1 abc", "3 1 1 zz",
                           "-1 1 1 ab", "3, 1 1 ab"}) {
    EXPECT_FALSE(parse_tlsa(text)) << text;
  }
}

TEST(Records, NothingIsReadFromABogusAnswer) {
  Answer answer = answer_of({*rdata_of_address("192.0.2.1")});
  answer.status = Status::Bogus;
  EXPECT_TRUE(addresses_of(answer).empty());
}

TEST(Records, AnAnswerIsReadUpToItsLimit) {
  EXPECT_EQ(
      addresses_of(answer_of(std::vector<std::string>(5000, *rdata_of_address("::1")))).size(),
      kRecordsMax);
}

TEST(Records, AnyOctetsAreReadWithoutHarm) {
  base::SeededRandom random(3);
  for (int round = 0; round < 50'000; ++round) {
    std::string rdata(random.below(40), '\0');
    // Small numbers make lengths that fit now and then.
    for (char& c : rdata) c = static_cast<char>(random.below(round % 2 == 0 ? 256 : 8));
    const Answer answer = answer_of({rdata});
    for (const Mx& mx : mx_of(answer)) {
      EXPECT_TRUE(wire_of_name(mx.host));
    }
    for (const std::string& name : names_of(answer)) {
      EXPECT_EQ(wire_of_name(name)->size(), rdata.size());
    }
    for (const std::string& text : texts_of(answer)) {
      EXPECT_LT(text.size(), rdata.size());
    }
    addresses_of(answer);
  }
}

TEST(Records, TypesAndStatusesHaveNames) {
  EXPECT_EQ(type_name(Type::TLSA), "TLSA");
  EXPECT_EQ(type_name(static_cast<Type>(257)), "TYPE257");
  EXPECT_EQ(status_name(Status::NoDomain), "no-domain");
}

}  // namespace
}  // namespace ekiden::dns
