#include "ekiden/spool/index.hpp"

#include <gtest/gtest.h>

#include <map>

#include "ekiden/base/random.hpp"

namespace ekiden::spool {
namespace {

TEST(Index, AgreesWithAMapUnderRandomInsertsAndErasures) {
  Index index;
  std::map<base::MessageId, Place> model;
  base::SeededRandom random(3);
  for (int i = 0; i < 200'000; ++i) {
    const base::MessageId id{random.below(50), random.below(200)};
    const auto known = model.find(id);
    const std::uint32_t at = index.find(id);
    ASSERT_EQ(at == Index::kNone, known == model.end());
    if (known == model.end()) {
      const Place place{static_cast<std::uint32_t>(random.below(1000)),
                        static_cast<std::uint32_t>(random.below(1000) + 1)};
      index.insert(id, place, 1 + static_cast<std::uint32_t>(random.below(3)), 10);
      model[id] = place;
    } else {
      ASSERT_EQ(index.entry(at).place, known->second);
      index.erase(at);
      model.erase(known);
    }
    ASSERT_EQ(index.size(), model.size());
  }
}

TEST(Index, KeepsTheNewestProgressOfEachRecipientAndCountsTheOpenOnes) {
  Index index;
  for (const std::uint32_t recipients : {1u, 5u}) {
    const std::uint32_t at = index.insert({1, recipients}, {1, 1}, recipients, 10);
    const std::uint32_t last = recipients - 1;
    EXPECT_FALSE(index.progress(at, last));
    EXPECT_FALSE(index.set_progress(at, ProgressPlace(last, false, {7, 9})));
    EXPECT_EQ(index.entry(at).open, recipients);
    const ProgressPlace old = index.set_progress(at, ProgressPlace(last, true, {8, 10}));
    EXPECT_EQ(old.place(), (Place{7, 9}));
    EXPECT_EQ(index.entry(at).open, recipients - 1);
    EXPECT_EQ(index.progress(at, last).place(), (Place{8, 10}));
    EXPECT_EQ(index.progress(at, last).recipient(), last);
    int seen = 0;
    index.each_progress(at, [&](ProgressPlace) { ++seen; });
    EXPECT_EQ(seen, 1);
    index.erase(at);
  }
}

TEST(Index, AMillionMessagesTakeFarLessThanAHundredMegabytes) {
  Index index;
  for (std::uint64_t i = 0; i < 1'000'000; ++i)
    index.set_progress(index.insert({i / 7, i}, {1, 1}, 1, 10000), ProgressPlace(0, false, {2, 2}));
  EXPECT_LT(index.memory_octets(), 64'000'000u);
}

}  // namespace
}  // namespace ekiden::spool
