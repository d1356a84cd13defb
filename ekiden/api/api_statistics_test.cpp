// What SendGrid's and blastengine's clients ask of statistics and reports, over the real event
// store: what the counts tell, and what only the events do.
#include <gtest/gtest.h>

#include <boost/json/array.hpp>

#include "ekiden/api/test_events.hpp"

namespace ekiden::api {
namespace {

using events::Event;
using events::Kind;

class ApiStatistics : public ApiOverEvents {
 protected:
  void add(std::uint64_t number, Kind kind, std::string reason = {}, std::string tag = {}) {
    Event event;
    event.message = id(number);
    event.time = bench_.clock.now();
    // A message is opened more than once.
    if (kind == Kind::Opened) event.id = "opened-" + std::to_string(batch_.size());
    event.kind = kind;
    event.recipient = "b" + std::to_string(number) + "@dest.test";
    event.tenant = api_.tenant();
    event.stream = "bulk";
    event.reason = std::move(reason);
    if (kind != Kind::Accepted) event.provider = "gmail";
    if (kind == Kind::Bounced) {
      event.reply_code = 550;
      event.fault = event.reason == "user_unknown" ? "recipient" : "sender";
    }
    if (!tag.empty()) event.tags.push_back(std::move(tag));
    batch_.push_back(events::encode_event(event));
  }
  void write() {
    ASSERT_TRUE(store_->write(batch_));
    batch_.clear();
  }
  void usual_day() {
    for (std::uint64_t i = 0; i < 6; ++i) add(i, Kind::Accepted, {}, i < 2 ? "a" : "b");
    add(0, Kind::Delivered, {}, "a");
    add(1, Kind::Bounced, "user_unknown", "a");
    add(2, Kind::Bounced, "spam_content", "b");
    add(3, Kind::Suppressed, "complaint", "b");
    add(4, Kind::Suppressed, "unsubscribe", "b");
    add(5, Kind::Expired, {}, "b");
    for (int i = 0; i < 3; ++i) add(0, Kind::Opened, {}, "a");
    write();
  }
  std::string today() { return base::format_day(bench_.clock.now()); }
  json::array days(const std::string& path, const std::string& more = {}) {
    const HttpResponse answer = ask("GET", path, "start_date=" + today() + more);
    EXPECT_EQ(answer.status, 200u) << answer.body;
    return json::parse(answer.body).as_array();
  }
  static std::int64_t metric(const json::value& stat, const char* name) {
    return stat.at("metrics").at(name).to_number<std::int64_t>();
  }

  std::vector<std::string> batch_;
};

TEST_F(ApiStatistics, SendGridsFiguresAreCountsAndWhatEventsTellApart) {
  usual_day();
  const json::value all = days("/v3/stats").at(0).at("stats").at(0);
  const std::pair<const char*, int> wanted[] = {
      {"requests", 6},          {"delivered", 1}, {"bounces", 1},      {"blocks", 2},
      {"spam_report_drops", 1}, {"opens", 3},     {"unique_opens", 1}, {"unsubscribe_drops", 1}};
  for (const auto& [name, count] : wanted) EXPECT_EQ(metric(all, name), count) << name;
  const json::array tags = days("/v3/categories/stats", "&categories=b&categories=none");
  EXPECT_EQ(metric(tags.at(0).at("stats").at(0), "requests"), 4);
  EXPECT_EQ(metric(tags.at(0).at("stats").at(0), "blocks"), 2);
  EXPECT_EQ(metric(tags.at(0).at("stats").at(0), "bounces"), 0);
  EXPECT_EQ(tags.at(0).at("stats").at(1).at("name"), "none");
  const json::object sums =
      parsed(ask("GET", "/v3/categories/stats/sums", "start_date=" + today()));
  EXPECT_EQ(sums.at("stats").as_array().size(), 2u);
  const json::value provider = days("/v3/mailbox_providers/stats").at(0).at("stats").at(0);
  EXPECT_EQ(provider.at("name"), "gmail");
  EXPECT_EQ(metric(provider, "bounces"), 1);
  EXPECT_EQ(days("/v3/geo/stats").at(0).at("stats").as_array().size(), 0u);
  EXPECT_EQ(ask("GET", "/v3/stats").status, 400u);
  EXPECT_EQ(ask("GET", "/v3/categories/stats/sums", "start_date=" + today() + "&limit=0").status,
            400u);
}

TEST_F(ApiStatistics, BouncesAreClassifiedAsSendGridDoes) {
  usual_day();
  const std::string path = "/v3/suppression/bounces/classifications";
  const json::object all = parsed(ask("GET", path, "start_date=" + today()));
  EXPECT_EQ(json::serialize(all.at("result").at(0).at("stats")),
            R"([{"classification":"Content","count":1},{"classification":"Invalid Address",)"
            R"("count":1},{"classification":"Unclassified","count":1}])");
  const json::object one = parsed(ask("GET", path + "/invalid address", "start_date=" + today()));
  EXPECT_EQ(json::serialize(one.at("result").at(0).at("stats")),
            R"([{"domain":"dest.test","count":1}])");
  EXPECT_EQ(parsed(ask("GET", path)).at("result").as_array().size(), 30u);
  EXPECT_EQ(ask("GET", path, "start_date=x").status, 400u);
}

TEST_F(ApiStatistics, UsageIsCountedByMonth) {
  usual_day();
  const json::object latest = parsed(ask("GET", "/api/v1/usages/latest"));
  EXPECT_EQ(latest.at("current").to_number<int>(), 6);
}

TEST_F(ApiStatistics, AnAnalysisTellsWhoHasOpenedADelivery) {
  const HttpResponse sent = ask("POST", "/api/v1/deliveries/transaction", {},
                                R"({"from":{"email":"f@client.test"},"to":"b@dest.test",)"
                                R"("subject":"s","text_part":"t"})");
  ASSERT_EQ(sent.status, 201u) << sent.body;
  const auto message =
      base::parse_message_id(std::string(parsed(sent).at("message_id").as_string()));
  const std::string delivery =
      std::to_string(parsed(sent).at("delivery_id").to_number<std::int64_t>());
  for (const std::uint32_t recipient : {0U, 0U, 1U}) {
    Event event;
    event.message = *message;
    event.recipient_index = recipient;
    event.recipient = "=b" + std::to_string(recipient) + "@dest.test";
    event.time = bench_.clock.now();
    event.kind = Kind::Opened;
    event.tenant = api_.tenant();
    batch_.push_back(events::encode_event(event));
  }
  add(9, Kind::Opened);
  write();
  const std::string order = "/api/v1/deliveries/" + delivery + "/analysis/report";
  const HttpResponse ordered = ask("POST", order);
  ASSERT_EQ(ordered.status, 201u) << ordered.body;
  const std::string job = std::to_string(parsed(ordered).at("job_id").to_number<std::int64_t>());
  const std::string path = "/api/v1/deliveries/-/analysis/report/" + job;
  const json::object report = parsed(ask("GET", path));
  EXPECT_EQ(report.at("percentage").to_number<int>(), 100);
  EXPECT_EQ(report.at("total_count").to_number<int>(), 2) << "each recipient once";
  EXPECT_EQ(report.at("mail_open_file_url").as_string(), path + "/download");
  const HttpResponse packed = ask("GET", path + "/download");
  EXPECT_EQ(packed.content_type, "application/zip");
  EXPECT_TRUE(packed.body.starts_with("PK"));
  EXPECT_EQ(ask("GET", "/api/v1/errors/list/" + job).status, 404u) << "another kind of report";
  EXPECT_EQ(ask("POST", "/api/v1/deliveries/1/analysis/report").status, 404u);
  EXPECT_EQ(ask("GET", "/api/v1/deliveries/-/analysis/report/99/download").status, 404u);
}

base::Task<void> scan_all(EventDesk& desk, base::Worker& worker, std::size_t& seen, int& order,
                          int& place) {
  events::Query query;
  query.kind = Kind::Bounced;
  EventDesk::See see = [&seen](const events::Stored&) {
    ++seen;
    return true;
  };
  const EventDesk::Scan scan = co_await desk.scan(worker, std::move(query), std::move(see));
  EXPECT_EQ(scan, EventDesk::Scan::Done);
  place = ++order;
}
base::Task<void> ask_once(EventDesk& desk, base::Worker& worker, int& order, int& place) {
  base::Function<int(events::Reader&)> question = [](events::Reader&) { return 1; };
  const std::optional<int> answer = co_await desk.ask<int>(worker, std::move(question));
  EXPECT_TRUE(answer);
  place = ++order;
}

TEST_F(ApiStatistics, ALongScanLeavesOthersATurn) {
  const std::size_t count = 3 * EventDesk::kSliceEvents + 1;
  for (std::uint64_t i = 0; i < count; ++i) add(i, Kind::Bounced, "user_unknown");
  write();
  EventDesk desk(bench_.loop.executor(), api_.folder() + "/events");
  std::size_t seen = 0;
  int order = 0, scanned = 0, asked = 0;
  tasks_.spawn(scan_all(desk, bench_.worker, seen, order, scanned));
  tasks_.spawn(ask_once(desk, bench_.worker, order, asked));
  bench_.settle();
  EXPECT_EQ(seen, count);
  EXPECT_LT(asked, scanned) << "who asked later had an answer sooner";
}

}  // namespace
}  // namespace ekiden::api
