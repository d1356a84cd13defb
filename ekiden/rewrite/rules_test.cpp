// What rules do to a message when it is accepted: maps, headers, aliases.
#include "ekiden/rewrite/address_spans.hpp"
#include "ekiden/rewrite/test_rules.hpp"

namespace ekiden::rewrite {
namespace {

std::vector<std::string> expand(const RuleSet& rules, const std::string& recipient,
                                Circumstances at = kHere) {
  const Expansion made = rules.expand(*smtp::parse_address(recipient), at);
  if (made.problem == Expansion::Problem::Loop) return {"loop"};
  if (made.problem == Expansion::Problem::TooMany) return {"too many"};
  std::vector<std::string> all;
  for (const smtp::Address& one : made.recipients) all.push_back(one.text());
  return all;
}

// --- maps and masquerades

TEST(RewriteMaps, AnAddressComesBeforeItsDomainAndCaseDoesNotMatter) {
  RuleOptions rule = named("maps");
  rule.sender_map = {{"Taro@Old.example", "taro.sato@example.jp"}, {"@old.example", "@example.jp"}};
  const auto rules = rules_of({rule});
  EXPECT_EQ(accept(*rules, "", "tARO@OLD.example").reverse_path, "taro.sato@example.jp");
  EXPECT_EQ(accept(*rules, "", "Hana.X@old.EXAMPLE").reverse_path, "Hana.X@example.jp");
  EXPECT_EQ(accept(*rules, "", "x@sub.old.example").reverse_path, "x@sub.old.example");
  EXPECT_EQ(accept(*rules, "", "").reverse_path, "");
}

TEST(RewriteMaps, QuotesOfALocalPartAreNotPartOfItAndAnAtInsideThemNoDomain) {
  RuleOptions rule = named("maps");
  rule.sender_map = {{"\"quoted @\"@x.example", "q@example.jp"},
                     {"plain@x.example", "p@example.jp"}};
  const auto rules = rules_of({rule});
  EXPECT_EQ(accept(*rules, "", "\"quoted @\"@x.example").reverse_path, "q@example.jp");
  EXPECT_EQ(accept(*rules, "", "\"plain\"@x.example").reverse_path, "p@example.jp");
}

TEST(RewriteMaps, AnInternationalDomainIsTheSameInBothSpellings) {
  RuleOptions rule = named("maps");
  rule.sender_map = {{"@日本.example", "@example.jp"}};
  const auto rules = rules_of({rule});
  EXPECT_EQ(accept(*rules, "", "a@xn--wgv71a.example").reverse_path, "a@example.jp");
  EXPECT_EQ(accept(*rules, "", "花子@日本.example").reverse_path, "花子@example.jp");
  // In a header of plain octets no UTF-8 address appears that was not there.
  const std::string header = "From: Hanako <hanako@日本.example>\r\n\r\n";
  EXPECT_EQ(accept(*rules, header).header, "From: Hanako <hanako@example.jp>\r\n\r\n");
}

TEST(RewriteMaps, RulesActInOrderEachOnWhatTheOneBeforeMade) {
  RuleOptions first = named("first"), second = named("second");
  first.sender_map = {{"a@one.example", "b@two.example"}};
  second.sender_map = {{"b@two.example", "c@three.example"}};
  const auto rules = rules_of({first, second});
  const Outcome out = accept(*rules, "", "a@one.example");
  EXPECT_EQ(out.reverse_path, "c@three.example");
  ASSERT_EQ(out.made.acts.size(), 2u);
  EXPECT_EQ(out.made.acts[1].rule, "second");
  EXPECT_EQ(out.made.acts[1].before, "b@two.example");
  EXPECT_EQ(summary(out.made.acts), "rewritten by first, second");
}

TEST(RewriteMaps, ConditionsKeepARuleFromOthersMail) {
  RuleOptions rule = named("shop only");
  rule.tenants = {"shop"};
  rule.streams = {"bulk", "news"};
  rule.listeners = {"127.0.0.1:2525"};
  rule.sender_map = {{"@a.example", "@b.example"}};
  const auto rules = rules_of({rule});
  EXPECT_EQ(accept(*rules, "", "x@a.example").reverse_path, "x@b.example");
  for (const Circumstances& at : {Circumstances{"127.0.0.1:2525", "other", "bulk", {}},
                                  Circumstances{"127.0.0.1:2525", "shop", "transactional", {}},
                                  Circumstances{"0.0.0.0:25", "shop", "bulk", {}}})
    EXPECT_EQ(accept(*rules, "", "x@a.example", at).reverse_path, "x@a.example");
}

TEST(RewriteMasquerade, TheLongestPatternWinsAndExceptionsKeepTheirHost) {
  RuleOptions rule = named("hosts");
  rule.masquerade = {{"*.corp.example", "example.jp"},
                     {"*.lab.corp.example", "lab.example.jp"},
                     {"mail.corp.example", "post.example.jp"}};
  rule.masquerade_except = {"root", "daemon@web1.corp.example", "@db1.corp.example"};
  const auto rules = rules_of({rule});
  const auto sender = [&](std::string_view from) { return accept(*rules, "", from).reverse_path; };
  EXPECT_EQ(sender("taro@web1.corp.example"), "taro@example.jp");
  EXPECT_EQ(sender("taro@a.b.corp.example"), "taro@example.jp");
  EXPECT_EQ(sender("taro@x.lab.corp.example"), "taro@lab.example.jp");
  EXPECT_EQ(sender("taro@mail.corp.example"), "taro@post.example.jp");
  EXPECT_EQ(sender("taro@corp.example"), "taro@corp.example");
  EXPECT_EQ(sender("taro@evilcorp.example"), "taro@evilcorp.example");
  EXPECT_EQ(sender("Root@web1.corp.example"), "Root@web1.corp.example");
  EXPECT_EQ(sender("daemon@web1.corp.example"), "daemon@web1.corp.example");
  EXPECT_EQ(sender("x@db1.corp.example"), "x@db1.corp.example");
  EXPECT_EQ(sender("x@[192.0.2.1]"), "x@[192.0.2.1]");
  // RCPT is never masqueraded.
  EXPECT_TRUE(expand(*rules, "taro@web1.corp.example").empty());
}

// --- headers

TEST(RewriteHeader, OnlyTheOctetsOfAddressesChange) {
  RuleOptions rule = named("hosts");
  rule.masquerade = {{"*.corp.example", "example.jp"}};
  rule.recipient_map = {{"info@example.jp", "desk@example.jp"}};
  const auto rules = rules_of({rule});
  const std::string header =
      "From: \"Sato, Taro @web1.corp.example\" (of corp.example (main))\r\n"
      "\t<taro@web1.corp.example> (trailing)\r\n"
      "Sender: =?utf-8?Q?a@b.corp.example,?= <s@h.corp.example>\r\n"
      "To: Team: a@w.corp.example, \"q,\\\"\" <b@w.corp.example>;, <INFO@example.jp>,\r\n"
      " c @ w . corp . example (x), plain@other.example\r\n"
      "Subject: taro@web1.corp.example\r\n"
      "\r\n";
  EXPECT_EQ(accept(*rules, header).header,
            "From: \"Sato, Taro @web1.corp.example\" (of corp.example (main))\r\n"
            "\t<taro@example.jp> (trailing)\r\n"
            "Sender: =?utf-8?Q?a@b.corp.example,?= <s@example.jp>\r\n"
            "To: Team: a@example.jp, \"q,\\\"\" <b@example.jp>;, <desk@example.jp>,\r\n"
            " c@example.jp (x), plain@other.example\r\n"
            "Subject: taro@web1.corp.example\r\n"
            "\r\n");
}

TEST(RewriteHeader, SourceRoutesGoWithTheirAddress) {
  RuleOptions rule = named("map");
  rule.sender_map = {{"u@x.example", "u@example.jp"}};
  const auto rules = rules_of({rule});
  EXPECT_EQ(accept(*rules, "From: U <@h1.example,@h2.example:u@x.example>\r\n\r\n").header,
            "From: U <u@example.jp>\r\n\r\n");
  EXPECT_EQ(accept(*rules, "From: U <@h1.example:v@x.example>\r\n\r\n").header,
            "From: U <@h1.example:v@x.example>\r\n\r\n");
}

TEST(RewriteHeader, FiveHundredAddressesAreAllRewrittenAndNoLineGrowsTooLong) {
  RuleOptions rule = named("map");
  rule.recipient_map = {{"@a.example", "@a-much-longer-domain-than-before.example.jp"}};
  const auto rules = rules_of({rule});
  std::string header = "To: u0@a.example";
  for (int i = 1; i < 500; ++i)
    header += ", \"User " + std::to_string(i) + "\" <u" + std::to_string(i) + "@a.example>";
  header += "\r\n\r\n";
  const std::string after = accept(*rules, header).header;
  const std::vector<AddressSpan> found = find_addresses(after.substr(3));
  ASSERT_EQ(found.size(), 500u);
  for (const AddressSpan& span : found)
    EXPECT_TRUE(span.address.ends_with("@a-much-longer-domain-than-before.example.jp"));
  std::size_t start = 0;
  for (std::size_t end; (end = after.find("\r\n", start)) != std::string::npos; start = end + 2)
    EXPECT_LE(end - start, 998u);
}

TEST(RewriteHeader, WhatCannotBeReadStaysAsItIs) {
  RuleOptions rule = named("map");
  rule.sender_map = {{"@a.example", "@b.example"}};
  const auto rules = rules_of({rule});
  for (const std::string header :
       {"From: \r\n\r\n", "From: <>\r\n\r\n", "From: undisclosed:;\r\n\r\n", "From: <x@>\r\n\r\n",
        "From: \"x@a.example\r\n\r\n", "No header\r\n", "From: x@\xff\xfe\r\n\r\n", ""})
    EXPECT_EQ(accept(*rules, header).header, header);
}

TEST(RewriteHeader, SeveralFromFieldsAreAllRewritten) {
  RuleOptions rule = named("from");
  rule.header_from = "noreply@example.jp";
  rule.keep_original = KeepOriginal::Nowhere;
  const auto rules = rules_of({rule});
  const Outcome out = accept(*rules, "From: A <a@x>\r\nfrom: b@y, C <c@z>\r\n\r\n");
  EXPECT_EQ(out.header,
            "From: A <noreply@example.jp>\r\nfrom: noreply@example.jp, C "
            "<noreply@example.jp>\r\n\r\n");
  EXPECT_EQ(out.made.header_from, "noreply@example.jp");
}

TEST(RewriteHeader, TheFromThatIsReplacedIsKept) {
  RuleOptions rule = named("from");
  rule.header_from = "list@example.jp";
  const auto original = rules_of({rule});
  EXPECT_EQ(accept(*original, "From: =?utf-8?B?5aSq6YOO?=\r\n <t@x.jp>\r\nTo: y@z\r\n\r\n").header,
            "From: =?utf-8?B?5aSq6YOO?=\r\n <list@example.jp>\r\nTo: y@z\r\n"
            "X-Original-From: =?utf-8?B?5aSq6YOO?=\r\n <t@x.jp>\r\n\r\n");
  rule.keep_original = KeepOriginal::ReplyTo;
  const auto reply = rules_of({rule});
  EXPECT_EQ(accept(*reply, "From: T <t@x.jp>\r\n\r\n").header,
            "From: T <list@example.jp>\r\nReply-To: T <t@x.jp>\r\n\r\n");
  // Where replies already go elsewhere they keep going there.
  EXPECT_EQ(accept(*reply, "From: T <t@x.jp>\r\nReply-To: r@x.jp\r\n\r\n").header,
            "From: T <list@example.jp>\r\nReply-To: r@x.jp\r\nX-Original-From: T <t@x.jp>\r\n\r\n");
  // What is right already is left alone, so a second pass changes nothing.
  const std::string once = accept(*original, "From: T <t@x.jp>\r\n\r\n").header;
  EXPECT_EQ(accept(*original, once).header, once);
}

TEST(RewriteHeader, ReplyToIsSetOrAdded) {
  RuleOptions rule = named("reply");
  rule.header_reply_to = "support@example.jp";
  const auto rules = rules_of({rule});
  EXPECT_EQ(accept(*rules, "From: a@b\r\n\r\n").header,
            "From: a@b\r\nReply-To: support@example.jp\r\n\r\n");
  EXPECT_EQ(accept(*rules, "From: a@b\r\nReply-To: X <x@y>\r\n\r\n").header,
            "From: a@b\r\nReply-To: X <support@example.jp>\r\nX-Original-Reply-To: X "
            "<x@y>\r\n\r\n");
}

TEST(RewriteHeader, FieldsAreRemovedAddedAndReplaced) {
  RuleOptions rule = named("fields");
  rule.remove_headers = {"X-Mailer"};
  rule.add_headers = {{"X-Who", "{tenant}/{stream} {{{id}}} {message_id} {listener} {hostname}"}};
  rule.replace_headers = {{"Organization", "例 K.K."}};
  const auto rules = rules_of({rule});
  EXPECT_EQ(accept(*rules,
                   "x-mailer: one\r\n two\r\nFrom: a@b\r\nORGANIZATION: old\r\n"
                   "X-Mailer : x\r\nOrganization: older\r\n\r\n")
                .header,
            "From: a@b\r\nOrganization: =?utf-8?B?5L6LIEsuSy4=?=\r\n"
            "X-Who: shop/bulk {" +
                base::format_message_id({1, 2}) +
                "} <m@x> 127.0.0.1:2525\r\n relay.example.jp\r\n\r\n");
}

TEST(RewriteHeader, NoValueBringsALineOfItsOwn) {
  RuleOptions rule = named("fields");
  rule.add_headers = {{"X-Sender", "{sender}"}, {"X-Tag", "{tag}"}};
  const auto rules = rules_of({rule});
  Submitted message;
  message.at = kHere;
  message.reverse_path = "a@b\r\nBcc: evil@x";
  message.tag = "x\r\n\r\nbody";
  message.header = "From: a@b\r\n\r\n";
  EXPECT_EQ(rules->accept(message).header.apply(message.header),
            "From: a@b\r\nX-Sender: a@b Bcc: evil@x\r\nX-Tag: x body\r\n\r\n");
}

TEST(RewriteHeader, AFieldWithoutAValueOrWithAWordTooLongIsLeftOut) {
  RuleOptions rule = named("fields");
  rule.add_headers = {{"X-From", "{from}"}, {"X-Long", std::string(1200, 'a')}};
  const auto rules = rules_of({rule});
  Submitted message;
  message.at = kHere;
  message.header = "To: a@b\r\n\r\n";
  EXPECT_EQ(rules->accept(message).header.apply(message.header), message.header);
}

TEST(RewriteHeader, ASectionWithoutABlankLineOrCutInALineTakesFieldsToo) {
  RuleOptions rule = named("fields");
  rule.add_headers = {{"X-A", "b"}};
  const auto rules = rules_of({rule});
  EXPECT_EQ(accept(*rules, "From: a@b\r\n").header, "From: a@b\r\nX-A: b\r\n");
  EXPECT_EQ(accept(*rules, "From: a@b").header, "From: a@b\r\nX-A: b\r\n");
  EXPECT_EQ(accept(*rules, "\r\n").header, "X-A: b\r\n\r\n");
  EXPECT_EQ(accept(*rules, "From: a@b\r\n\r\n").header, "From: a@b\r\nX-A: b\r\n\r\n");
}

TEST(RewriteHeader, ABombOfFieldsEndsTheWalkAndHarmsNothing) {
  RuleOptions rule = named("fields");
  rule.remove_headers = {"X"};
  const auto rules = rules_of({rule});
  std::string header;
  for (int i = 0; i < 3000; ++i) header += "X: y\r\n";
  header += "\r\n";
  const std::string after = accept(*rules, header).header;
  EXPECT_LT(after.size(), header.size());
  EXPECT_TRUE(after.ends_with("\r\n\r\n"));
}

TEST(RewriteHeader, FeedbackIdHasFourWordsAndIsNotDoubled) {
  RuleOptions rule = named("feedback");
  rule.feedback_id = "examplejp";
  const auto rules = rules_of({rule});
  EXPECT_EQ(accept(*rules, "From: a@b\r\n\r\n").header,
            "From: a@b\r\nFeedback-ID: spring_sale:shop:bulk:examplejp\r\n\r\n");
  const std::string own = "Feedback-ID: a:b:c:d\r\n\r\n";
  EXPECT_EQ(accept(*rules, own).header, own);
}

TEST(RewriteHeader, ListUnsubscribeWithoutTokenIsAddedOnceAtAcceptance) {
  RuleOptions rule = named("unsubscribe");
  rule.streams = {"bulk"};
  rule.list_unsubscribe = {"https://mail.example.jp/u?s={stream}&f={sender}",
                           "mailto:leave@example.jp"};
  const auto rules = rules_of({rule});
  EXPECT_EQ(accept(*rules, "From: a@b\r\n\r\n").header,
            "From: a@b\r\nList-Unsubscribe: "
            "<https://mail.example.jp/u?s=bulk&f=a%40b.jp>,\r\n <mailto:leave@example.jp>\r\n"
            "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n\r\n");
  const std::string own = "List-Unsubscribe: <mailto:x@y>\r\n\r\n";
  EXPECT_EQ(accept(*rules, own).header, own);
  const std::string other = "From: a@b\r\n\r\n";
  EXPECT_EQ(accept(*rules, other, "a@b.jp", {"l", "shop", "transactional", {}}).header, other);
}

TEST(RewriteHeader, AMailtoLinkAloneMakesNoPost) {
  RuleOptions rule = named("unsubscribe");
  rule.list_unsubscribe = {"mailto:leave@example.jp"};
  const auto rules = rules_of({rule});
  EXPECT_EQ(accept(*rules, "From: a@b\r\n\r\n").header,
            "From: a@b\r\nList-Unsubscribe: <mailto:leave@example.jp>\r\n\r\n");
}

// --- recipients

TEST(RewriteAliases, OneBecomesSeveralThroughOthersOnceEach) {
  RuleOptions rule = named("aliases");
  rule.aliases = {{"all@x.jp", "a@x.jp,team@x.jp,b@gmail.example"},
                  {"team@x.jp", "a@x.jp,c@x.jp,all@x.jp"}};
  const auto rules = rules_of({rule});
  EXPECT_EQ(expand(*rules, "ALL@x.jp"),
            (std::vector<std::string>{"a@x.jp", "c@x.jp", "b@gmail.example"}));
  EXPECT_TRUE(expand(*rules, "other@x.jp").empty());
}

TEST(RewriteAliases, OneThatNamesItselfKeepsACopy) {
  RuleOptions rule = named("aliases");
  rule.aliases = {{"a@x.jp", "a@x.jp,b@y.jp"}};
  const auto rules = rules_of({rule});
  EXPECT_EQ(expand(*rules, "a@x.jp"), (std::vector<std::string>{"a@x.jp", "b@y.jp"}));
}

TEST(RewriteAliases, ACircleThatLeadsToNobodyIsFound) {
  RuleOptions rule = named("aliases");
  rule.aliases = {{"a@x.jp", "b@x.jp"}, {"b@x.jp", "c@x.jp"}, {"c@x.jp", "a@x.jp"}};
  const auto rules = rules_of({rule});
  EXPECT_EQ(expand(*rules, "a@x.jp"), std::vector<std::string>{"loop"});
}

TEST(RewriteAliases, DepthAndNumberAreBounded) {
  RuleOptions deep = named("deep");
  for (int i = 0; i < 12; ++i)
    deep.aliases.emplace_back("a" + std::to_string(i) + "@x.jp",
                              "a" + std::to_string(i + 1) + "@x.jp");
  EXPECT_EQ(expand(*rules_of({deep}), "a0@x.jp"), std::vector<std::string>{"too many"});
  EXPECT_EQ(expand(*rules_of({deep}), "a5@x.jp"), std::vector<std::string>{"a12@x.jp"});
  RuleOptions wide = named("wide");
  const auto targets = [](const std::string& prefix) {
    std::string text;
    for (int i = 0; i < 600; ++i)
      text.append(text.empty() ? "" : ",").append(prefix + std::to_string(i) + "@x.jp");
    return text;
  };
  wide.aliases = {
      {"w@x.jp", "w1@x.jp,w2@x.jp"}, {"w1@x.jp", targets("p")}, {"w2@x.jp", targets("q")}};
  EXPECT_EQ(expand(*rules_of({wide}), "w@x.jp"), std::vector<std::string>{"too many"});
  EXPECT_EQ(expand(*rules_of({wide}), "w1@x.jp").size(), 600u);
}

TEST(RewriteAliases, AMapComesFirstAndAWholeDomainMayBeForwarded) {
  RuleOptions rule = named("aliases");
  rule.recipient_map = {{"@old.jp", "@x.jp"}};
  rule.aliases = {{"@x.jp", "\"odd, one\"@y.jp , b@y.jp"}};
  const auto rules = rules_of({rule});
  EXPECT_EQ(expand(*rules, "u@old.jp"), (std::vector<std::string>{"\"odd, one\"@y.jp", "b@y.jp"}));
}

TEST(RewriteAliases, DeliveredToNamesTheAliasAndStopsItsMailFromComingBack) {
  RuleOptions rule = named("aliases");
  rule.aliases = {{"fwd@x.jp", "a@gmail.example"}};
  const auto rules = rules_of({rule});
  Submitted message;
  message.at = kHere;
  message.header = "From: a@b\r\n\r\n";
  message.aliases = {"fwd@x.jp"};
  message.shows_alias = true;
  EXPECT_EQ(rules->accept(message).header.apply(message.header),
            "Delivered-To: fwd@x.jp\r\nFrom: a@b\r\n\r\n");
  message.shows_alias = false;
  EXPECT_TRUE(rules->accept(message).header.is_empty());
  message.header = "From: a@b\r\ndelivered-to: FWD@x.jp\r\n\r\n";
  EXPECT_TRUE(rules->accept(message).is_loop);
  message.header = "Delivered-To: other@x.jp\r\n\r\n";
  EXPECT_FALSE(rules->accept(message).is_loop);
}

}  // namespace
}  // namespace ekiden::rewrite
