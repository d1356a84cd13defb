// What was sent and what became of it, over the real event store and archive: statistics,
// originals, sending again, streams.
#include <gtest/gtest.h>

#include "ekiden/api/test_events.hpp"
#include "ekiden/archive/archivist.hpp"

namespace ekiden::api {
namespace {

/// Keeps what is written; ends when it is told to.
class Collected final : public HttpStream {
 public:
  base::Task<bool> write(std::string octets, base::Duration) override {
    text += octets;
    co_return !is_gone;
  }
  base::Task<bool> pause(base::Duration) override { co_return pauses-- > 0; }

  std::string text;
  int pauses = 3;
  bool is_gone = false;
};

class ApiEvents : public ApiOverEvents {
 protected:
  void archive(std::uint64_t number, std::string tenant) {
    message::Meta meta;
    meta.envelope.reverse_path = "a@client.test";
    meta.envelope.recipients = {{"b@dest.test"}, {"c@dest.test"}};
    meta.details.tenant = std::move(tenant);
    meta.details.stream = "bulk";
    meta.details.tags = {"order"};
    archive::Archivist::Options options;
    options.directory = api_.folder() + "/archive";
    archive::Archivist archivist(bench_.loop.executor(), bench_.clock, api_.node_key(),
                                 bench_.random, bench_.metrics, options);
    ASSERT_TRUE(archivist.reserve(1));
    archivist.keep({id(number),
                    message::encode_meta(meta),
                    {"b@dest.test"},
                    base::Octets(std::string("From: a@client.test\r\nSubject: s\r\n\r\nbody\r\n"))},
                   1);
    bench_.settle();
  }

  static base::Task<void> stream(HttpStreamer& streamer, HttpStream& out, bool& is_over) {
    co_await streamer(out);
    is_over = true;
  }
  std::string original(std::uint64_t number, const char* what = "/original") {
    return "/v1/messages/" + base::format_message_id(id(number)) + what;
  }
};

TEST_F(ApiEvents, StatisticsAreOfTheKeysTenant) {
  happened(1, events::Kind::Delivered, api_.tenant());
  happened(2, events::Kind::Bounced, api_.tenant());
  happened(3, events::Kind::Delivered, "stranger");
  const json::object whole = parsed(ask("GET", "/v1/stats"));
  EXPECT_EQ(json::serialize(whole.at("totals")), R"({"delivered":1,"bounced":1})");
  const json::object by = parsed(ask("GET", "/v1/stats", "by=domain"));
  EXPECT_EQ(json::serialize(by.at("stats")),
            R"([{"domain":"dest.test","events":{"delivered":1,"bounced":1}}])");
  EXPECT_EQ(ask("GET", "/v1/stats", "by=year").status, 422u);
  EXPECT_EQ(ask("GET", "/v1/stats", "status=queued").status, 422u);
}

TEST_F(ApiEvents, AnArchivedMessageIsShownAndSentAgain) {
  archive(1, api_.tenant());
  const HttpResponse shown = ask("GET", original(1));
  EXPECT_EQ(shown.status, 200u);
  EXPECT_EQ(shown.content_type, "message/rfc822");
  EXPECT_EQ(shown.body, "From: a@client.test\r\nSubject: s\r\n\r\nbody\r\n");
  const HttpResponse wrong =
      ask("POST", original(1, "/resend"), {}, R"({"recipients":["x@dest.test"]})");
  EXPECT_EQ(wrong.status, 422u);
  EXPECT_TRUE(bench_.intake.taken.empty());
  const HttpResponse sent =
      ask("POST", original(1, "/resend"), {}, R"({"recipients":["c@DEST.test"]})");
  ASSERT_EQ(sent.status, 202u) << sent.body;
  ASSERT_EQ(bench_.intake.taken.size(), 1u);
  const message::Meta& meta = *bench_.intake.taken.front().meta;
  ASSERT_EQ(meta.envelope.recipients.size(), 1u);
  EXPECT_EQ(meta.envelope.recipients[0].address, "c@dest.test");
  EXPECT_EQ(meta.envelope.reverse_path, "a@client.test");
  EXPECT_EQ(meta.details.stream, "bulk");
  EXPECT_EQ(meta.details.tags, std::vector<std::string>{"order"});
  EXPECT_EQ(ask("POST", original(1, "/resend")).status, 202u) << "without a body, to all";
}

TEST_F(ApiEvents, WhatIsGoneSaysWhyAndOthersMailIsUnknown) {
  happened(1, events::Kind::Accepted, api_.tenant());
  const HttpResponse gone = ask("GET", original(1));
  EXPECT_EQ(gone.status, 410u);
  EXPECT_NE(gone.body.find("archive is off"), std::string::npos) << gone.body;
  EXPECT_EQ(ask("POST", original(1, "/resend")).status, 410u);
  happened(2, events::Kind::Accepted, "stranger");
  EXPECT_EQ(ask("GET", original(2)).status, 404u);
  archive(3, "stranger");
  EXPECT_EQ(ask("GET", original(3)).status, 404u);
  EXPECT_EQ(ask("GET", "/v1/messages/x/original").status, 404u);
}

TEST_F(ApiEvents, AStreamTellsWhatHappensFromItsCursorOn) {
  happened(1, events::Kind::Accepted, api_.tenant());
  HttpResponse response = ask("GET", "/v1/events/stream");
  ASSERT_EQ(response.status, 200u) << response.body;
  EXPECT_EQ(response.content_type, "text/event-stream; charset=utf-8");
  ASSERT_TRUE(response.streamer);
  Collected out;
  bool is_over = false;
  happened(2, events::Kind::Delivered, "stranger");
  tasks_.spawn(stream(response.streamer, out, is_over));
  bench_.settle();
  EXPECT_TRUE(is_over);
  EXPECT_TRUE(out.text.starts_with("retry: 2000\nid: ")) << out.text;
  EXPECT_EQ(out.text.find("data:"), std::string::npos) << "nothing of before, nothing of others";

  HttpResponse again = ask(
      "GET", "/v1/events/stream",
      "kind=delivered&cursor=" + events::format_position({events::day_of(bench_.clock.now()), 1}));
  happened(3, events::Kind::Delivered, api_.tenant());
  happened(4, events::Kind::Deferred, api_.tenant());
  Collected later;
  tasks_.spawn(stream(again.streamer, later, is_over));
  bench_.settle();
  EXPECT_NE(later.text.find("event: delivered\ndata: {"), std::string::npos) << later.text;
  EXPECT_NE(later.text.find("b3@dest.test"), std::string::npos);
  EXPECT_EQ(later.text.find("b2@dest.test"), std::string::npos);
  EXPECT_EQ(later.text.find("b4@dest.test"), std::string::npos);
}

TEST_F(ApiEvents, StreamsAreBoundedAndTakeNoTimes) {
  EXPECT_EQ(ask("GET", "/v1/events/stream", "from=2026-11-22T00:00:00Z").status, 422u);
  EXPECT_EQ(ask("GET", "/v1/events/stream", "cursor=x").status, 422u);
  std::vector<HttpResponse> open;
  for (std::size_t i = 0; i < StreamSlots::kOfTenantMax; ++i)
    open.push_back(ask("GET", "/v1/events/stream"));
  EXPECT_EQ(ask("GET", "/v1/events/stream").status, 429u);
  open.pop_back();
  EXPECT_EQ(ask("GET", "/v1/events/stream").status, 200u) << "its place is free again";
}

}  // namespace
}  // namespace ekiden::api
