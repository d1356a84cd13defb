#include "ekiden/net/address_block.hpp"

#include <gtest/gtest.h>

namespace ekiden::net {
namespace {

Address address(const char* text) {
  return boost::asio::ip::make_address(text);
}

TEST(AddressBlock, ContainsExactlyItsPrefix) {
  const auto block = parse_address_block("192.0.2.0/23");
  ASSERT_TRUE(block);
  EXPECT_TRUE(block->contains(address("192.0.2.0")));
  EXPECT_TRUE(block->contains(address("192.0.3.255")));
  EXPECT_FALSE(block->contains(address("192.0.4.0")));
  EXPECT_FALSE(block->contains(address("::")));
  EXPECT_TRUE(parse_address_block("0.0.0.0/0")->contains(address("255.255.255.255")));
  EXPECT_FALSE(parse_address_block("0.0.0.0/0")->contains(address("2001:db8::1")));
  EXPECT_FALSE(parse_address_block("::/0")->contains(address("192.0.2.1")));
  EXPECT_TRUE(parse_address_block("2001:db8:8000::/33")->contains(address("2001:db8:ffff::1")));
  EXPECT_FALSE(parse_address_block("2001:db8:8000::/33")->contains(address("2001:db8:7fff::1")));
}

TEST(AddressBlock, ALoneAddressIsItsOwnBlock) {
  EXPECT_EQ(parse_address_block("192.0.2.7")->text(), "192.0.2.7/32");
  EXPECT_EQ(parse_address_block("2001:db8::7")->text(), "2001:db8::7/128");
}

TEST(AddressBlock, AMappedAddressCountsAsTheIpv4AddressInIt) {
  EXPECT_TRUE(parse_address_block("192.0.2.0/24")->contains(address("::ffff:192.0.2.9")));
  const auto mapped = parse_address_block("::ffff:192.0.2.0/120");
  ASSERT_TRUE(mapped);
  EXPECT_EQ(mapped->text(), "192.0.2.0/24");
  EXPECT_TRUE(mapped->contains(address("192.0.2.9")));
  EXPECT_FALSE(parse_address_block("::/0")->contains(address("::ffff:192.0.2.9")));
}

TEST(AddressBlock, RefusesWhatIsNoBlock) {
  for (const char* text :
       {"", "/", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8/8", "10.0.0.1/8",
        "2001:db8::/129", "2001:db8::1/64", "10.0.0/8", "example.jp", "10.0.0.0/8 ", " 10.0.0.0/8",
        "fe80::1%1/128", "010.0.0.0/8", "10.0.0.0/0x8"}) {
    EXPECT_FALSE(parse_address_block(text)) << text;
  }
  EXPECT_FALSE(parse_address_block(std::string_view("10.0.0.0\0x/8", 12)));
  EXPECT_FALSE(parse_address_block("fe80::%none/64"));
}

TEST(AddressBlock, ScopesFollowTheRegistries) {
  const std::pair<const char*, Scope> cases[] = {
      {"127.0.0.1", Scope::Loopback},
      {"127.255.255.255", Scope::Loopback},
      {"::1", Scope::Loopback},
      {"::ffff:127.0.0.1", Scope::Loopback},
      {"10.1.2.3", Scope::Private},
      {"172.31.255.255", Scope::Private},
      {"172.32.0.0", Scope::Public},
      {"192.168.1.1", Scope::Private},
      {"100.64.0.1", Scope::Private},
      {"fd00::1", Scope::Private},
      {"169.254.169.254", Scope::LinkLocal},
      {"fe80::1", Scope::LinkLocal},
      {"0.0.0.0", Scope::Reserved},
      {"192.0.2.1", Scope::Reserved},
      {"198.51.100.1", Scope::Reserved},
      {"203.0.113.1", Scope::Reserved},
      {"198.19.0.1", Scope::Reserved},
      {"224.0.0.1", Scope::Reserved},
      {"255.255.255.255", Scope::Reserved},
      {"::", Scope::Reserved},
      {"2001:db8::1", Scope::Reserved},
      {"ff02::1", Scope::Reserved},
      {"8.8.8.8", Scope::Public},
      {"2606:4700::1", Scope::Public},
      {"64:ff9b::7f00:1", Scope::Loopback},
      {"64:ff9b::808:808", Scope::Public},
      {"2002:7f00:1::", Scope::Loopback},
      {"2002:a00:1::1", Scope::Private},
      {"192.0.0.9", Scope::Public},
      {"192.0.0.1", Scope::Reserved},
  };
  for (const auto& [text, scope] : cases) {
    EXPECT_EQ(static_cast<int>(scope_of(address(text))), static_cast<int>(scope)) << text;
  }
}

TEST(Endpoint, FormatsAndParsesBack) {
  for (const char* text : {"192.0.2.1:25", "[2001:db8::1]:587", "0.0.0.0:0"}) {
    const auto endpoint = parse_endpoint(text);
    ASSERT_TRUE(endpoint) << text;
    EXPECT_EQ(format_endpoint(*endpoint), text);
  }
  for (const char* text :
       {"", ":", ":25", "192.0.2.1", "192.0.2.1:", "192.0.2.1:65536", "[192.0.2.1]:25",
        "2001:db8::1:25", "[2001:db8::1]", "mx.example:25", "[2001:db8::1]:+5", "[]:25"}) {
    EXPECT_FALSE(parse_endpoint(text)) << text;
  }
  EXPECT_FALSE(parse_endpoint(std::string_view("192.0.2.1\0x:25", 14)));
}

}  // namespace
}  // namespace ekiden::net
