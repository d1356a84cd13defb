#include "ekiden/api/sendgrid/activity_query.hpp"

#include <gtest/gtest.h>

namespace ekiden::api::sendgrid {
namespace {

constexpr const char* kId = "01JD0000000000000000000000";

Activity delivered() {
  Activity a;
  a.msg_id = "ID.3";
  a.from_email = "news@example.jp";
  a.to_email = "Hanako@dest.example";
  a.subject = "It's \"spring\", 100%";
  a.categories = {"spring", "news"};
  a.unique_args = {{"order", "7"}, {"n", 3}};
  a.asm_group_id = 12;
  Activity::Course course;
  course.status = "delivered";
  course.events = {"processed", "deferred", "delivered"};
  course.opens = 2;
  course.last_event = base::from_unix_us(1'795'305'601'500'000);  // 2026-11-22T00:00:01.5Z
  course.originating_ip = "192.0.2.1";
  course.api_key_id = "7";
  a.course = std::move(course);
  return a;
}

std::optional<bool> judge(std::string_view text, const Activity& activity) {
  Text why;
  const auto query = ActivityQuery::parse(text, why);
  EXPECT_TRUE(query) << text << ": " << why.english;
  return query ? query->judge(activity) : std::nullopt;
}

TEST(ActivityQuery, FindsWhatFits) {
  const Activity a = delivered();
  for (const char* text :
       {"",
        "  ",
        "status=\"delivered\"",
        "STATUS = 'Delivered'",
        "status IN (\"processed\",\"delivered\")",
        "to_email=\"hanako@DEST.example\"",
        "to_email LIKE \"%@dest.example\"",
        "subject=\"It's \\\"spring\\\", 100%\"",
        "subject='It''s \"spring\", 100%'",
        "subject LIKE \"it_s%\"",
        "Contains(subject,\"spring\")",
        "Contains(events,\"deferred\")",
        "Contains(categories,'news')",
        "categories=\"news\"",
        "(unique_args[\"order\"]=\"7\")",
        "unique_args['n']=\"3\"",
        "unique_args['other'] IS NULL",
        "asm_group_id=12",
        "opens>1 AND opens <= 2 AND clicks=0",
        "opens BETWEEN 1 AND 3",
        "opens_count != 3",
        "template_id IS NULL",
        "originating_ip IS NOT NULL",
        "api_key_id='7'",
        "msg_id='ID.3'",
        "msg_id='ID'",
        "msg_id LIKE 'ID%'",
        "last_event_time BETWEEN TIMESTAMP \"2026-11-22T00:00:00Z\" AND TIMESTAMP "
        "\"2026-11-22T00:00:02.000Z\"",
        "last_event_time between timestamp '1795305600' and timestamp '1795305602'",
        "last_event_time > TIMESTAMP \"2026-11-21T09:00:00+09:00\"",
        "status=\"x\" OR (to_email NOT LIKE 'x%' AND NOT status<>\"delivered\")",
        "status NOT IN ('processed')",
        "from_email=\"news@example.jp\" AND NOT (opens=0 OR clicks=1)"}) {
    EXPECT_EQ(judge(text, a), true) << text;
  }
}

TEST(ActivityQuery, LeavesOutWhatDoesNot) {
  const Activity a = delivered();
  for (const char* text :
       {"status=\"processed\"", "to_email=\"hanako@dest.example.jp\"", "to_email LIKE \"@dest%\"",
        "Contains(events,\"bounce\")", "categories=\"new\"", "unique_args[\"order\"]=\"8\"",
        "opens IS NULL", "opens<2", "template_id=\"d-1\"", "teammate IS NOT NULL",
        "last_event_time < TIMESTAMP \"2026-11-22T00:00:00Z\"", "msg_id='I'",
        "status=\"delivered\" AND opens=9", "NOT (status=\"delivered\" OR opens=9)"}) {
    EXPECT_EQ(judge(text, a), false) << text;
  }
}

TEST(ActivityQuery, WithoutItsCourseOnlyTheMessageDecides) {
  Activity a = delivered();
  a.course.reset();
  EXPECT_FALSE(judge("status=\"delivered\"", a).has_value());
  EXPECT_EQ(judge("status=\"delivered\" AND to_email=\"x@y.example\"", a), false);
  EXPECT_EQ(judge("status=\"delivered\" OR asm_group_id=12", a), true);
  EXPECT_FALSE(judge("NOT opens>1", a).has_value());
}

TEST(ActivityQuery, RefusesWhatIsNone) {
  std::string deep(100, '('), many = "opens=1";
  for (std::size_t i = 0; i < ActivityQuery::kConditionsMax; ++i) many += " OR opens=1";
  for (const std::string& text :
       {std::string("status"),
        std::string("status="),
        std::string("status=\"x"),
        std::string("nonsense=\"x\""),
        std::string("status=\"x\" AND"),
        std::string("(status='x'"),
        std::string("status='x')"),
        std::string("status='x' status='y'"),
        std::string("unique_args='x'"),
        std::string("unique_args[x]='x'"),
        std::string("opens='many'"),
        std::string("opens LIKE '1'"),
        std::string("last_event_time='yesterday'"),
        std::string("last_event_time LIKE '2026%'"),
        std::string("status IN ()"),
        std::string("status IN ('a'"),
        std::string("status IS x"),
        std::string("status BETWEEN 'a' OR 'b'"),
        std::string("Contains(status)"),
        std::string("NOT"),
        std::string("status NOT = 'x'"),
        deep + "opens=1",
        many,
        "subject='" + std::string(ActivityQuery::kOctetsMax, 'x') + "'"}) {
    Text why;
    EXPECT_FALSE(ActivityQuery::parse(text, why)) << text.substr(0, 60);
    EXPECT_FALSE(why.english.empty());
    EXPECT_FALSE(why.japanese.empty());
  }
}

events::Query narrowed(std::string_view text, bool& may_fit) {
  Text why;
  events::Query query;
  const auto asked = ActivityQuery::parse(text, why);
  EXPECT_TRUE(asked) << text;
  may_fit = asked && asked->narrow(query);
  return query;
}

TEST(ActivityQuery, UsesTheIndexForWhatMustHold) {
  bool may_fit = false;
  events::Query query = narrowed(
      "to_email='a@b.example' AND from_email='c@d.example' AND (subject='x' AND opens=1) AND "
      "last_event_time BETWEEN TIMESTAMP '2026-11-22T00:00:00Z' AND TIMESTAMP "
      "'2026-11-23T00:00:00Z'",
      may_fit);
  EXPECT_TRUE(may_fit);
  EXPECT_EQ(query.recipient, "a@b.example");
  EXPECT_EQ(query.sender, "c@d.example");
  EXPECT_EQ(query.subject, "x");
  EXPECT_EQ(base::format_rfc3339(*query.from), "2026-11-22T00:00:00.000000Z");
  EXPECT_EQ(base::format_rfc3339(*query.until), "2026-11-23T00:00:00.000001Z");
  query = narrowed("to_email='a@b.example' OR from_email='c@d.example'", may_fit);
  EXPECT_TRUE(may_fit);
  EXPECT_TRUE(query.recipient.empty());
  query = narrowed("NOT to_email='a@b.example' AND to_email != 'x@y.example'", may_fit);
  EXPECT_TRUE(query.recipient.empty());
  query = narrowed(std::string("msg_id LIKE '") + kId + "%'", may_fit);
  EXPECT_TRUE(query.message);
  query = narrowed(std::string("msg_id='") + kId + ".2'", may_fit);
  EXPECT_TRUE(query.message && may_fit);
  (void)narrowed("msg_id='none of ours'", may_fit);
  EXPECT_FALSE(may_fit) << "there is no such message";
}

TEST(ActivityQuery, MessageIdsNameARecipient) {
  const auto message = base::parse_message_id(kId);
  ASSERT_TRUE(message);
  const auto id = parse_msg_id(format_msg_id(*message, 7));
  ASSERT_TRUE(id);
  EXPECT_EQ(id->message, *message);
  EXPECT_EQ(id->recipient, 7U);
  EXPECT_FALSE(parse_msg_id(kId)->recipient);
  for (const char* text :
       {"", ".", "x.1", "01JD0000000000000000000000.x", "01JD0000000000000000000000.4294967295"})
    EXPECT_FALSE(parse_msg_id(text)) << text;
}

}  // namespace
}  // namespace ekiden::api::sendgrid
