#include "ekiden/inbound/admission.hpp"

#include <gtest/gtest.h>

#include "ekiden/inbound/client_limits.hpp"

namespace ekiden::inbound {
namespace {

ListenerOptions listener(Service service) {
  ListenerOptions options;
  options.name = "test";
  options.hostname = "relay.test";
  options.service = service;
  return options;
}

net::AddressBlock block(const char* text) {
  return *net::parse_address_block(text);
}

net::Address address(const char* text) {
  return boost::asio::ip::make_address(text);
}

TEST(OpenRelay, OrdinaryListenersProveClosed) {
  ListenerOptions relay = listener(Service::Relay);
  relay.trusted_networks = {block("127.0.0.0/8"), block("10.0.0.0/8"), block("::1/128"),
                            block("fd00::/8")};
  EXPECT_TRUE(prove_no_open_relay(relay));
  EXPECT_TRUE(prove_no_open_relay(listener(Service::Submission)));
  ListenerOptions inbound = listener(Service::Inbound);
  inbound.domains["ours.test"].check = RecipientCheck::Any;
  inbound.domains["list.test"].check = RecipientCheck::List;
  EXPECT_TRUE(prove_no_open_relay(inbound));
}

TEST(OpenRelay, TrustingTheWorldOrAPublicNetworkIsRefused) {
  for (const char* text : {"0.0.0.0/0", "::/0", "8.8.8.0/24", "192.0.2.0/24", "2001:db8::/32",
                           "10.0.0.0/7", "2000::/3", "203.0.0.0/8"}) {
    ListenerOptions relay = listener(Service::Relay);
    relay.trusted_networks = {block(text)};
    std::string what;
    const Result<void> proof = prove_no_open_relay(relay, &what);
    ASSERT_FALSE(proof) << text;
    EXPECT_EQ(proof.error(), Errc::OpenRelay);
    EXPECT_NE(what, "");
  }
}

TEST(OpenRelay, ListingAForeignDomainAsOursIsFound) {
  ListenerOptions inbound = listener(Service::Inbound);
  inbound.domains["foreign.invalid"].check = RecipientCheck::Any;
  EXPECT_FALSE(prove_no_open_relay(inbound));
}

TEST(Admission, TrustedNetworksCountOnRelayListenersOnly) {
  for (const Service service : {Service::Submission, Service::Inbound}) {
    ListenerOptions options = listener(service);
    options.trusted_networks = {block("10.0.0.0/8")};
    Client client;
    client.address = address("10.0.0.1");
    EXPECT_FALSE(Admission(options).is_own(client));
  }
}

TEST(Admission, AMappedAddressIsTheIpv4AddressInIt) {
  ListenerOptions options = listener(Service::Relay);
  options.trusted_networks = {block("10.0.0.0/8")};
  Client client;
  client.address = address("::ffff:10.0.0.1");
  EXPECT_TRUE(Admission(options).is_own(client));
}

TEST(Admission, ATenantsLimitsAndDomainsAreAskedWithTheCredentials) {
  ListenerOptions options = listener(Service::Submission);
  account::Credential credential;
  account::TenantRules tenant;
  tenant.settings.sender_domains = {"example.jp"};
  tenant.settings.streams = {{"news", account::StreamKind::Bulk, 1}};
  tenant.settings.limits.per_day = 1;
  tenant.state = std::make_shared<account::LimitState>();
  Client client;
  client.credential = &credential;
  client.tenant = &tenant;
  const Admission admission(options);
  smtp::MailCommand mail;
  mail.reverse_path = *smtp::parse_address("a@example.jp");
  EXPECT_TRUE(admission.admit_mail(client, mail).is_positive());
  mail.reverse_path = *smtp::parse_address("a@other.test");
  EXPECT_EQ(admission.admit_mail(client, mail).code, 553);
  mail.reverse_path.reset();
  EXPECT_TRUE(admission.admit_mail(client, mail).is_positive()) << "a bounce comes from nowhere";
  EXPECT_EQ(admission.admit_header_from(client, {"a@example.jp", "b@other.test"}).code, 553);
  EXPECT_EQ(admission.admit_stream(client, "nwes").code, 550);
  EXPECT_TRUE(admission.admit_stream(client, "news").is_positive());

  const base::Time now = base::from_unix_us(1'800'000'000'000'000);
  EXPECT_TRUE(admission.admit_volume(client, now, {}).is_positive());
  EXPECT_TRUE(account::LimitedSender(&tenant, nullptr).take(1, now, {}).is_fine());
  const smtp::Reply used_up = admission.admit_volume(client, now, {});
  EXPECT_EQ(used_up.code, 452);
  EXPECT_EQ(used_up.enhanced, (smtp::EnhancedCode{4, 7, 1}));
  tenant.settings.limits = {};
  tenant.settings.limits.rate = {1, std::chrono::minutes(1)};
  EXPECT_TRUE(account::LimitedSender(&tenant, nullptr).take(1, now, {}).is_fine());
  EXPECT_EQ(admission.admit_volume(client, now, {}).code, 450);
}

TEST(ClientLimits, CountsByAddressAndForgets) {
  ClientLimits limits;
  Limits options;
  options.connections_per_address = 2;
  const base::Steady now{};
  const net::Address one = address("198.51.100.1"), two = address("198.51.100.2");
  EXPECT_EQ(limits.connect(one, false, options, now), ClientLimits::Answer::Welcome);
  EXPECT_EQ(limits.connect(one, false, options, now), ClientLimits::Answer::Welcome);
  EXPECT_EQ(limits.connect(one, false, options, now), ClientLimits::Answer::TooManyFromAddress);
  EXPECT_EQ(limits.connect(one, true, options, now), ClientLimits::Answer::Welcome);
  EXPECT_EQ(limits.connect(two, false, options, now), ClientLimits::Answer::Welcome);
  limits.disconnect(one, false);
  EXPECT_EQ(limits.connect(one, false, options, now), ClientLimits::Answer::Welcome);
  EXPECT_EQ(limits.connections(), 4u);
}

TEST(ClientLimits, ASubscriberOfIpv6IsOneAddress) {
  ClientLimits limits;
  Limits options;
  options.connections_per_address = 1;
  EXPECT_EQ(limits.connect(address("2001:db8::1"), false, options, {}),
            ClientLimits::Answer::Welcome);
  EXPECT_EQ(limits.connect(address("2001:db8::2"), false, options, {}),
            ClientLimits::Answer::TooManyFromAddress);
  EXPECT_EQ(limits.connect(address("2001:db8:0:1::2"), false, options, {}),
            ClientLimits::Answer::Welcome);
}

TEST(ClientLimits, RatesHoldInAnyWindow) {
  ClientLimits limits;
  Limits options;
  options.connection_rate = {2, std::chrono::minutes(1)};
  base::Steady now{};
  const net::Address one = address("198.51.100.1");
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(limits.connect(one, false, options, now), ClientLimits::Answer::Welcome);
    limits.disconnect(one, false);
  }
  EXPECT_EQ(limits.connect(one, false, options, now), ClientLimits::Answer::TooFast);
  now += std::chrono::seconds(30);
  EXPECT_EQ(limits.connect(one, false, options, now), ClientLimits::Answer::TooFast);
  now += std::chrono::seconds(34);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(limits.connect(one, false, options, now), ClientLimits::Answer::Welcome);
    limits.disconnect(one, false);
  }
  EXPECT_EQ(limits.connect(one, false, options, now), ClientLimits::Answer::TooFast);
}

}  // namespace
}  // namespace ekiden::inbound
