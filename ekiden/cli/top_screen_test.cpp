// What `ekiden top` shows of what the relay says, on terminals of any size, and what keys do.
#include "ekiden/cli/top_screen.hpp"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <sstream>

#include "ekiden/cli/table.hpp"

namespace ekiden::cli {
namespace {

namespace json = boost::json;
using std::chrono::seconds;

json::object row(const char* name, std::uint64_t ready, std::uint64_t delivered,
                 const char* reply = "") {
  return {{"name", name},       {"ready", ready},         {"in_flight", 1},
          {"connections", 2},   {"deferred", 3},          {"bounced", 4},
          {"throttled", 5},     {"holds", json::array()}, {"delivered", delivered},
          {"last_reply", reply}};
}

struct Relay {
  Relay() {
    look.status = {
        {"hostname", "relay.example"}, {"version", "1"}, {"workers", 2}, {"alerts", json::array()}};
    add(row("gmail", 10, 100));
    add(row("docomo", 30, 50, "550 5.1.1 宛先不明です"));
    add(row("au", 20, 70));
    view.kind = find_top_kind("provider");
  }
  void add(json::object one) { look.rows[std::string(one.at("name").as_string())] = one; }
  std::string screen(const TopLook* before = nullptr) { return format_top(look, before, view); }
  /// Names as they stand there, from above.
  std::string order(const TopLook* before = nullptr) {
    std::istringstream lines(screen(before));
    std::string names, line;
    for (; std::getline(lines, line);)
      for (const auto& [name, one] : look.rows)
        if (line.starts_with(name)) names += name.substr(0, 1);
    return names;
  }

  TopLook look;
  TopView view;
};

TEST(TopScreen, OrdersByWhatIsAskedFor) {
  Relay relay;
  EXPECT_EQ(relay.order(), "dag") << "what waits";
  relay.view.order = find_top_order("delivered");
  EXPECT_EQ(relay.order(), "gad") << "without a rate yet: by the count";
  TopLook before = relay.look;
  before.at = relay.look.at - seconds(2);
  before.rows["gmail"]["delivered"] = 98;
  before.rows["docomo"]["delivered"] = 30;
  EXPECT_EQ(relay.order(&before), "dga");
  EXPECT_NE(relay.screen(&before).find("10/s"), std::string::npos);
  relay.view.order = find_top_order("name");
  EXPECT_EQ(relay.order(), "adg");
  EXPECT_EQ(find_top_order("moon"), nullptr);
  EXPECT_EQ(find_top_kind("moon"), nullptr);
}

TEST(TopScreen, FiltersByNameAndByWhatWasSaid) {
  Relay relay;
  relay.view.filter = "MAIL";
  EXPECT_EQ(relay.order(), "g");
  relay.view.filter = "宛先";
  EXPECT_EQ(relay.order(), "d");
  relay.view.filter = "nobody";
  EXPECT_EQ(relay.order(), "");
}

TEST(TopScreen, FitsIntoEveryTerminal) {
  Relay relay;
  for (int i = 0; i < 30; ++i)
    relay.add(row(("mx" + std::to_string(i) + ".a-rather-long-name.example.net:25").c_str(), 1, 1,
                  "421 4.7.0 ご利用の送信元からのメールは一時的に制限されています"));
  relay.view.has_keys = true;
  for (const std::size_t columns : {1U, 10U, 20U, 40U, 80U, 132U, 300U}) {
    for (const std::size_t lines : {1U, 5U, 8U, 24U, 60U}) {
      relay.view.columns = columns;
      relay.view.lines = lines;
      const std::string screen = relay.screen();
      std::istringstream all(screen);
      std::string line;
      std::size_t count = 0;
      for (; std::getline(all, line); ++count) EXPECT_LE(width_of(line), columns) << line;
      EXPECT_LE(count, lines) << columns << "\n" << screen;
    }
  }
  relay.view.columns = 60;
  relay.view.lines = 24;
  const std::string narrow = relay.screen();
  EXPECT_NE(narrow.find("DELIVERED"), std::string::npos);
  EXPECT_EQ(narrow.find("THROTTLED"), std::string::npos) << narrow;
  EXPECT_NE(narrow.find(" of 33 rows"), std::string::npos) << narrow;
}

TEST(TopScreen, ShowsOctetsOfPeersEscaped) {
  Relay relay;
  relay.add(row("x\033]0;title\a", 99, 0, "550 \033[2J gone\r\n"));
  const std::string screen = relay.screen();
  EXPECT_EQ(screen.find('\033'), std::string::npos);
  EXPECT_EQ(screen.find('\a'), std::string::npos);
  EXPECT_NE(screen.find("gone"), std::string::npos);
}

TEST(TopScreen, KeysChangeTheView) {
  TopView view;
  EXPECT_EQ(press(view, 's'), TopStep::Nothing) << "it is so already";
  EXPECT_EQ(press(view, 'o'), TopStep::LookAgain);
  EXPECT_STREQ(view.kind->name, "source");
  EXPECT_EQ(press(view, 'n'), TopStep::Redraw);
  EXPECT_STREQ(view.order->name, "name");
  EXPECT_EQ(press(view, 'z'), TopStep::Nothing);
  EXPECT_EQ(press(view, '/'), TopStep::Redraw);
  for (const char c : std::string("qt宛先\x7f\x7f\x7f")) EXPECT_EQ(press(view, c), TopStep::Redraw);
  EXPECT_EQ(view.filter, "q") << "a letter of a filter is no command";
  press(view, '\r');
  EXPECT_EQ(press(view, 't'), TopStep::LookAgain);
  EXPECT_EQ(view.filter, "q");
  press(view, '/');
  press(view, '\033');
  EXPECT_TRUE(view.filter.empty());
  for (int i = 0; i < 1000; ++i) press(view, i == 0 ? '/' : 'x');
  EXPECT_LE(view.filter.size(), 100u);
  press(view, '\n');
  EXPECT_EQ(press(view, 'q'), TopStep::End);
  EXPECT_EQ(press(view, '\x03'), TopStep::End);
}

TEST(Table, CountsColumnsAsTerminalsDo) {
  EXPECT_EQ(width_of("abc"), 3u);
  EXPECT_EQ(width_of("宛先"), 4u);
  EXPECT_EQ(width_of("ｶﾅ"), 2u) << "half-width katakana";
  EXPECT_EQ(width_of("é"), 1u);
  EXPECT_EQ(width_of("が"), 2u) << "a mark that combines";
  EXPECT_EQ(width_of("📮"), 2u);
  EXPECT_EQ(cut_to("宛先不明", 8), "宛先不明");
  EXPECT_EQ(cut_to("宛先不明", 7), "宛先不…");
  EXPECT_EQ(cut_to("宛先不明", 6), "宛先…");
  EXPECT_EQ(cut_to("宛先不明", 1), "…");
  EXPECT_EQ(cut_to("宛先不明", 0), "");
  EXPECT_EQ(cut_to("\xe5\xae", 1), "\xe5\xae") << "half a character is one";
}

}  // namespace
}  // namespace ekiden::cli
