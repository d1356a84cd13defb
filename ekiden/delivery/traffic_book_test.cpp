// Goal: traffic adds up by name, keeps the newest reply, and never grows past its bound.
#include "ekiden/delivery/traffic_book.hpp"

#include <gtest/gtest.h>

namespace ekiden::delivery {
namespace {

using By = TrafficBook::By;

Traffic traffic(std::int64_t at, std::string reply = {}) {
  Traffic made;
  made.delivered = 1;
  made.touched = base::from_unix_us(at);
  if (!reply.empty()) {
    made.deferred = 1;
    made.last_reply = std::move(reply);
    made.last_reply_at = made.touched;
  }
  return made;
}

TEST(TrafficBook, AddsUpByNameAndKeepsTheNewestReply) {
  TrafficBook book;
  book.count(By::Site, "mx.example:25", traffic(1, "421 later"));
  book.count(By::Site, "mx.example:25", traffic(3, "451 now"));
  book.count(By::Site, "mx.example:25", traffic(2, "450 between"));
  book.count(By::Site, "mx.example:25", traffic(4));
  book.count(By::Tenant, "shop", traffic(4));
  book.count(By::Provider, "", traffic(4));
  const Traffic& site = book.rows(By::Site).at("mx.example:25");
  EXPECT_EQ(site.delivered, 4u);
  EXPECT_EQ(site.deferred, 3u);
  EXPECT_EQ(site.last_reply, "451 now");
  EXPECT_EQ(book.rows(By::Tenant).size(), 1u);
  EXPECT_TRUE(book.rows(By::Provider).empty());
}

TEST(TrafficBook, ForgetsWhoHadNoMailForLongestWhenItIsFull) {
  TrafficBook book;
  for (std::size_t i = 0; i <= TrafficBook::kNamesMax; ++i)
    book.count(By::Site, "site" + std::to_string(i), traffic(static_cast<std::int64_t>(i) + 1));
  const TrafficBook::Rows& rows = book.rows(By::Site);
  EXPECT_LE(rows.size(), TrafficBook::kNamesMax);
  EXPECT_GE(rows.size(), TrafficBook::kNamesMax / 2);
  EXPECT_FALSE(rows.contains("site0"));
  EXPECT_TRUE(rows.contains("site" + std::to_string(TrafficBook::kNamesMax)));
  EXPECT_TRUE(rows.contains("site" + std::to_string(TrafficBook::kNamesMax / 2)));
}

}  // namespace
}  // namespace ekiden::delivery
