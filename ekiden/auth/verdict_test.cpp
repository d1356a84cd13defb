#include "ekiden/auth/verdict.hpp"

#include <gtest/gtest.h>

namespace ekiden::auth {
namespace {

TEST(Verdict, EachNameIsReadBackInAnyCase) {
  for (int i = 0; i <= static_cast<int>(Verdict::PermanentError); ++i) {
    const auto verdict = static_cast<Verdict>(i);
    EXPECT_EQ(parse_verdict(verdict_name(verdict)), verdict);
  }
  EXPECT_EQ(verdict_name(Verdict::SoftFail), "softfail");
  EXPECT_EQ(verdict_name(Verdict::TemporaryError), "temperror");
  EXPECT_EQ(parse_verdict("PermError"), Verdict::PermanentError);
}

TEST(Verdict, WhatIsNoneOfThemIsNothing) {
  for (const char* text : {"", "hardfail", "pass ", "passs", "pas"}) {
    EXPECT_FALSE(parse_verdict(text)) << text;
  }
}

}  // namespace
}  // namespace ekiden::auth
