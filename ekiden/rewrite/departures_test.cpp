// What a message leaves with: return paths, SRS, tokens; and which rules cannot be used.
#include "ekiden/base/text.hpp"
#include "ekiden/rewrite/test_rules.hpp"

namespace ekiden::rewrite {
namespace {

message::Meta meta_of(std::string sender = "shop@client.example") {
  message::Meta meta;
  meta.envelope.reverse_path = std::move(sender);
  meta.envelope.recipients = {{"a@x.jp", {}, 0, {}}, {"b@x.jp", {}, 0, {}}};
  meta.details.tenant = "shop";
  meta.details.stream = "bulk";
  meta.details.received = base::from_unix_us(1'700'000'000'000'000);
  return meta;
}

const base::MessageId kId{(1'700'000'000'000ULL << 16) | 7, 42};
const base::Time kNow = base::from_unix_us(1'700'000'000'000'000);

Departed depart(const RuleSet& rules, const message::Meta& meta, std::uint32_t recipient = 0,
                std::string_view route = "mx", std::string_view header = {}) {
  return rules.depart({kId, &meta, recipient, route, header});
}

RuleOptions returning(std::string name, ReturnPath path, std::string domain) {
  RuleOptions rule = named(std::move(name));
  rule.return_path = path;
  rule.bounce_domain = std::move(domain);
  return rule;
}
RuleOptions verp() {
  return returning("verp", ReturnPath::Verp, "Bounces.example.jp");
}

TEST(RewriteVerp, TheReturnPathNamesMessageAndRecipientAndStaysTheSame) {
  const auto rules = rules_of({verp()});
  const message::Meta meta = meta_of();
  const std::string path = *depart(*rules, meta, 1).reverse_path;
  EXPECT_TRUE(path.ends_with("@bounces.example.jp"));
  EXPECT_LE(path.find('@'), 64u);
  EXPECT_EQ(*depart(*rules, meta, 1).reverse_path, path);
  EXPECT_NE(*depart(*rules, meta, 0).reverse_path, path);
  EXPECT_TRUE(rules->wants_single("any", "any", "mx"));
  for (const std::string& folded : {path, base::lowered(path), [&] {
                                      std::string upper = path;
                                      for (char& c : upper)
                                        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
                                      return upper;
                                    }()}) {
    const Bounce bounce = rules->read_bounce(*smtp::parse_address(folded), kNow + 34 * kDay);
    ASSERT_EQ(bounce.kind, Bounce::Kind::Verp);
    EXPECT_EQ(bounce.token, (TokenContent{kId, 1}));
  }
}

TEST(RewriteVerp, NobodyForgesOneAndOldOnesEnd) {
  const auto rules = rules_of({verp()});
  const std::string path = *depart(*rules, meta_of()).reverse_path;
  for (std::size_t i = kVerpPrefix.size(); i < path.find('@'); ++i) {
    std::string forged = path;
    forged[i] = forged[i] == 'a' ? 'b' : 'a';
    EXPECT_EQ(rules->read_bounce(*smtp::parse_address(forged), kNow).kind, Bounce::Kind::Refused)
        << i;
  }
  const auto kind = [&](const std::string& text, base::Time now = kNow) {
    return rules->read_bounce(*smtp::parse_address(text), now).kind;
  };
  EXPECT_EQ(kind(path, kNow + 36 * kDay), Bounce::Kind::Refused);
  EXPECT_EQ(kind("bounce-x@bounces.example.jp"), Bounce::Kind::Refused);
  EXPECT_EQ(kind("postmaster@bounces.example.jp"), Bounce::Kind::NotOurs);
  EXPECT_EQ(kind(path.substr(0, path.find('@')) + "@other.example"), Bounce::Kind::NotOurs);
  RuleOptions other = verp();
  other.bounce_domain = "other.example";
  EXPECT_EQ(rules_of({other})
                ->read_bounce(
                    *smtp::parse_address(path.substr(0, path.find('@')) + "@other.example"), kNow)
                .kind,
            Bounce::Kind::Refused);
}

TEST(RewriteVerp, ReportsAndTheNullReversePathGetNone) {
  const auto rules = rules_of({verp()});
  EXPECT_FALSE(depart(*rules, meta_of("")).reverse_path);
  message::Meta generated = meta_of();
  generated.details.is_generated = true;
  EXPECT_FALSE(depart(*rules, generated).reverse_path);
}

TEST(RewriteReturnPath, TheFirstRuleThatHoldsDecides) {
  RuleOptions fixed = named("fixed");
  fixed.return_path = ReturnPath::Fixed;
  fixed.return_address = "bounces@example.jp";
  fixed.routes = {"smart.example:587"};
  const auto rules = rules_of({fixed, verp()});
  EXPECT_EQ(*depart(*rules, meta_of(), 0, "smart.example:587").reverse_path, "bounces@example.jp");
  EXPECT_TRUE(depart(*rules, meta_of(), 0, "mx").reverse_path->starts_with("bounce-"));
}

RuleOptions srs() {
  return returning("srs", ReturnPath::Srs, "srs.example.jp");
}

TEST(RewriteSrs, ASenderGoesOutAndItsBouncesComeBack) {
  const auto rules = rules_of({srs()});
  const std::string path = *depart(*rules, meta_of("Taro@Some.example")).reverse_path;
  EXPECT_TRUE(path.starts_with("SRS0="));
  EXPECT_TRUE(path.ends_with("=some.example=Taro@srs.example.jp"));
  EXPECT_FALSE(rules->wants_single("shop", "bulk", "mx"));
  const Bounce back =
      rules->read_bounce(*smtp::parse_address(base::lowered(path)), kNow + 20 * kDay);
  ASSERT_EQ(back.kind, Bounce::Kind::Srs);
  EXPECT_EQ(back.original.text(), "taro@some.example");
  EXPECT_EQ(rules->read_bounce(*smtp::parse_address(path), kNow + 40 * kDay).kind,
            Bounce::Kind::Refused);
  std::string forged = path;
  forged.replace(forged.find("=Taro"), 5, "=Hana");
  EXPECT_EQ(rules->read_bounce(*smtp::parse_address(forged), kNow).kind, Bounce::Kind::Refused);
}

TEST(RewriteSrs, AForwardersSenderLeadsStraightToTheFirst) {
  const auto rules = rules_of({srs()});
  const std::string second =
      *depart(*rules, meta_of("SRS0=abcd=xy=orig.example=user@first.example")).reverse_path;
  EXPECT_TRUE(second.starts_with("SRS1="));
  EXPECT_NE(second.find("=first.example==abcd=xy=orig.example=user@srs.example.jp"),
            std::string::npos);
  const Bounce back = rules->read_bounce(*smtp::parse_address(second), kNow);
  ASSERT_EQ(back.kind, Bounce::Kind::Srs);
  EXPECT_EQ(back.original.text(), "SRS0=abcd=xy=orig.example=user@first.example");
  RuleOptions third = srs();
  third.bounce_domain = "third.example";
  const std::string again = *depart(*rules_of({third}), meta_of(second)).reverse_path;
  EXPECT_NE(again.find("=first.example==abcd"), std::string::npos);
  EXPECT_EQ(again.find("srs.example.jp"), std::string::npos);
}

TEST(RewriteSrs, WhatNeedsNoneOrDoesNotFitStays) {
  const auto rules = rules_of({srs()});
  EXPECT_FALSE(depart(*rules, meta_of("a@srs.example.jp")).reverse_path);
  EXPECT_FALSE(depart(*rules, meta_of("")).reverse_path);
  EXPECT_FALSE(depart(*rules, meta_of("\"quoted @\"@x.example")).reverse_path);
  EXPECT_FALSE(
      depart(*rules, meta_of(std::string(40, 'l') + "@a.long.domain.example")).reverse_path);
  EXPECT_FALSE(
      depart(*rules, meta_of("SRS1=abcd=f.exam$ple==HH=TT=o.example=u@g.example")).reverse_path);
  EXPECT_FALSE(depart(*rules, meta_of("SRS1=abcd=nothing@g.example")).reverse_path);
  message::Meta own = meta_of();
  own.envelope.recipients[0].next_hop = "10.0.0.5:25";
  EXPECT_FALSE(depart(*rules, own).reverse_path);
  for (const char* nonsense :
       {"srs0@srs.example.jp", "srs0=@srs.example.jp", "srs0=a=b@srs.example.jp",
        "srs1=a@srs.example.jp", "srs1=a=b=c@srs.example.jp", "srs0====@srs.example.jp"})
    EXPECT_NE(rules->read_bounce(*smtp::parse_address(nonsense), kNow).kind, Bounce::Kind::Srs)
        << nonsense;
}

TEST(RewriteDeparture, ATokenLinkNamesTheRecipientAndOnlyThen) {
  RuleOptions rule = named("unsubscribe");
  rule.list_unsubscribe = {"https://mail.example.jp/u/{token}"};
  const auto rules = rules_of({rule});
  EXPECT_TRUE(rules->acts_on_departure());
  EXPECT_FALSE(rules->acts_on_messages());
  EXPECT_TRUE(rules->wants_single("shop", "bulk", "mx"));
  const message::Meta meta = meta_of();
  EXPECT_TRUE(rules->needs_header(meta, "mx"));
  const std::string_view header = "From: a@b\r\n\r\nbody";
  const std::string first = depart(*rules, meta, 0, "mx", header).header.apply(header);
  const std::string second = depart(*rules, meta, 1, "mx", header).header.apply(header);
  EXPECT_NE(first, second);
  EXPECT_TRUE(first.ends_with("\r\n\r\nbody"));
  EXPECT_NE(first.find("List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n\r\n"),
            std::string::npos);
  // Never to be mistaken for a return path.
  const std::size_t at = first.find("/u/") + 3;
  EXPECT_FALSE(
      read_token(key(), TokenUse::ReturnPath, {}, first.substr(at, kTokenCharacters), kNow, kDay));
  const auto read =
      read_token(key(), TokenUse::Unsubscribe, {}, first.substr(at, kTokenCharacters), kNow, kDay);
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, (TokenContent{kId, 0}));
}

TEST(RewriteDeparture, RulesOfARouteActThereOnly) {
  RuleOptions rule = named("route");
  rule.routes = {"smart.example:587"};
  rule.remove_headers = {"X-Internal"};
  rule.add_headers = {{"X-Route", "{route}"}};
  const auto rules = rules_of({rule});
  const std::string_view header = "X-Internal: 1\r\nFrom: a@b\r\n\r\n";
  EXPECT_EQ(accept(*rules, header).header, header);
  EXPECT_TRUE(depart(*rules, meta_of(), 0, "mx", header).header.is_empty());
  EXPECT_EQ(depart(*rules, meta_of(), 0, "smart.example:587", header).header.apply(header),
            "From: a@b\r\nX-Route: smart.example:587\r\n\r\n");
}

// --- what cannot be used

TEST(RewriteRules, WhatCannotBeUsedIsRefusedWithItsName) {
  RuleOptions rule = named("one");
  rule.sender_map = {{"nonsense", "a@b.jp"}};
  EXPECT_EQ(refusal_of(rule),
            "rewrite \"one\": sender_map: \"nonsense\" is neither an address nor \"@domain\"");
  rule.sender_map = {{"A@b.jp", "c@d.jp"}, {"a@B.jp", "e@f.jp"}};
  EXPECT_EQ(refusal_of(rule), "rewrite \"one\": sender_map: \"a@B.jp\" stands twice");
  rule.sender_map.clear();
  rule.add_headers = {{"X-A", "{nothing}"}};
  EXPECT_EQ(refusal_of(rule), "rewrite \"one\": there is no variable {nothing}");
  rule.add_headers = {{"X-A", "a } b"}};
  EXPECT_NE(refusal_of(rule).find("a brace stands alone"), std::string::npos);
  EXPECT_NE(refusal_of(verp()).find("needs the node's secret key"), std::string::npos);
}

TEST(Tokens, CarryWhetherFailuresWereAskedFor) {
  for (const bool asks : {false, true}) {
    const TokenContent content{kId, (1U << 23) - 1, asks};
    const std::string token = make_token(key(), TokenUse::ReturnPath, "b.test", content);
    EXPECT_EQ(token.size(), kTokenCharacters);
    const auto read = read_token(key(), TokenUse::ReturnPath, "b.test", token, kNow, kDay);
    ASSERT_TRUE(read);
    EXPECT_EQ(*read, content);
  }
}

}  // namespace
}  // namespace ekiden::rewrite
