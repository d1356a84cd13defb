#include "ekiden/auth/public_suffix.hpp"

#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

namespace ekiden::auth {
namespace {

TEST(PublicSuffixList, FindsWhatCanBeRegistered) {
  const auto list = PublicSuffixList::load_newest();
  ASSERT_TRUE(list);
  EXPECT_EQ(list->organizational_domain("a.b.example.co.jp"), "example.co.jp");
  EXPECT_EQ(list->organizational_domain("Example.COM."), "example.com");
  EXPECT_EQ(list->organizational_domain("_dmarc.mail.example.com"), "example.com");
  EXPECT_EQ(list->organizational_domain("b.example.unlisted"), "example.unlisted");
  EXPECT_EQ(list->organizational_domain("co.jp"), std::nullopt);
  EXPECT_EQ(list->organizational_domain("jp"), std::nullopt);
}

TEST(PublicSuffixList, AnswersInTheLabelsItWasAskedIn) {
  const auto list = PublicSuffixList::load_newest();
  ASSERT_TRUE(list);
  EXPECT_EQ(list->organizational_domain("www.食狮.公司.cn"), "食狮.公司.cn");
  EXPECT_EQ(list->organizational_domain("www.xn--85x722f.xn--55qx5d.cn"),
            "xn--85x722f.xn--55qx5d.cn");
  EXPECT_EQ(list->organizational_domain("メール.例え.jp"), "例え.jp");
}

TEST(PublicSuffixList, WhatIsNoNameHasNone) {
  const auto list = PublicSuffixList::load_newest();
  ASSERT_TRUE(list);
  for (const char* name : {"", ".", ".com", ".example.com", "a..example.com", "a b.com",
                           "[192.0.2.1]", "local", "printer.local"}) {
    EXPECT_EQ(list->organizational_domain(name), std::nullopt) << name;
  }
  EXPECT_EQ(list->organizational_domain(std::string_view("a\0b.example.com", 15)), std::nullopt);
  EXPECT_EQ(list->organizational_domain(std::string(64, 'a') + ".example.com"), std::nullopt);
  EXPECT_EQ(list->organizational_domain(std::string(300, '.')), std::nullopt);
}

TEST(PublicSuffixList, IsReadFromAFileAndRefusesOneWithoutRules) {
  const std::string file = testing::TempDir() + "ekiden_psl_test.dat";
  std::ofstream(file)
      << "// ===BEGIN ICANN DOMAINS===\nexample\n*.wild.example\n!www.wild.example\n";
  const auto list = PublicSuffixList::load(file);
  ASSERT_TRUE(list) << list.error().message();
  EXPECT_EQ(list->organizational_domain("a.b.example"), "b.example");
  EXPECT_EQ(list->organizational_domain("a.b.wild.example"), "a.b.wild.example");
  EXPECT_EQ(list->organizational_domain("b.wild.example"), std::nullopt);
  EXPECT_EQ(list->organizational_domain("a.www.wild.example"), "www.wild.example");
  std::ofstream(file) << "// nothing\n";
  EXPECT_EQ(PublicSuffixList::load(file).error(), Errc::BadSuffixList);
  std::filesystem::remove(file);
  EXPECT_EQ(PublicSuffixList::load(file).error(), Errc::BadSuffixList);
}

}  // namespace
}  // namespace ekiden::auth
