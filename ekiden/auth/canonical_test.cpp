#include "ekiden/auth/canonical.hpp"

#include <gtest/gtest.h>

#include "ekiden/auth/body_hash.hpp"
#include "ekiden/auth/relaxed_block.hpp"
#include "ekiden/base/random.hpp"
#include "ekiden/base/text.hpp"

namespace ekiden::auth {
namespace {

class Kept final : public OctetSink {
 public:
  void take(std::string_view octets) override { text += octets; }
  std::string text;
};

std::string body_of(Canonicalization form, std::string_view octets, std::size_t piece = 1 << 20) {
  Kept kept;
  BodyCanonicalizer body(form, kept);
  while (!octets.empty()) {
    body.update(octets.substr(0, piece));
    octets.remove_prefix(std::min(piece, octets.size()));
  }
  body.finish();
  return kept.text;
}

/// RFC 6376 §3.4.4 as its words say it, line by line.
std::string plainly_relaxed(std::string_view octets) {
  std::string out;
  while (!octets.empty()) {
    const std::size_t end = octets.find("\r\n");
    std::string_view line = octets.substr(0, end);
    octets.remove_prefix(end == std::string_view::npos ? octets.size() : end + 2);
    std::string kept;
    for (const char c : line) {
      const bool is_blank = c == ' ' || c == '\t';
      if (is_blank && !kept.empty() && kept.back() == ' ') continue;
      kept += is_blank ? ' ' : c;
    }
    if (kept.ends_with(' ')) kept.pop_back();
    out += kept + "\r\n";
  }
  while (out.ends_with("\r\n\r\n")) out.resize(out.size() - 2);
  return out == "\r\n" ? "" : out;
}

constexpr auto kSimple = Canonicalization::Simple;
constexpr auto kRelaxed = Canonicalization::Relaxed;

// RFC 6376 §3.4.5, example 1 and 2; §3.4.3; §3.4.4.
TEST(CanonicalBody, IsAsTheRfcShows) {
  constexpr std::string_view kBody = " C \r\nD \t E\r\n\r\n\r\n";
  EXPECT_EQ(body_of(kRelaxed, kBody), " C\r\nD E\r\n");
  EXPECT_EQ(body_of(kSimple, kBody), " C \r\nD \t E\r\n");
  EXPECT_EQ(body_of(kSimple, ""), "\r\n");
  EXPECT_EQ(body_of(kRelaxed, ""), "");
  EXPECT_EQ(body_of(kSimple, "\r\n\r\n"), "\r\n");
  EXPECT_EQ(body_of(kRelaxed, "\r\n \r\n"), "");
  EXPECT_EQ(body_of(kSimple, "a"), "a\r\n");
  EXPECT_EQ(body_of(kRelaxed, "a \t"), "a\r\n");
  EXPECT_EQ(body_of(kSimple, "\r\n\r\na"), "\r\n\r\na\r\n");
}

TEST(CanonicalBody, KeepsBareNewlines) {
  EXPECT_EQ(body_of(kRelaxed, "a \rb \nc \r\n"), "a \rb \nc\r\n");
  EXPECT_EQ(body_of(kSimple, "a\r"), "a\r\r\n");
  EXPECT_EQ(body_of(kRelaxed, "a \r"), "a \r\r\n");
}

TEST(CanonicalBody, IsTheSameAtEverySplit) {
  base::SeededRandom random(20261122);
  constexpr std::string_view kLetters = "  \t\r\n\nab";
  for (int round = 0; round < 400; ++round) {
    std::string octets;
    const std::size_t size = random.below(400);
    while (octets.size() < size) {
      switch (random.below(3)) {
        case 0:
          octets += "\r\n";
          break;
        case 1:
          octets += std::string(random.below(80), 'x');
          break;
        default:
          octets += kLetters[random.below(kLetters.size())];
      }
    }
    const std::string expected = plainly_relaxed(octets);
    const std::string whole = body_of(kRelaxed, octets);
    EXPECT_EQ(whole, expected) << base::printable(octets, 4000);
    const std::string simple = body_of(kSimple, octets);
    for (const std::size_t piece : {1u, 2u, 3u, 7u, 64u, 65u, 66u}) {
      EXPECT_EQ(body_of(kRelaxed, octets, piece), whole) << base::printable(octets, 4000);
      EXPECT_EQ(body_of(kSimple, octets, piece), simple) << base::printable(octets, 4000);
    }
  }
}

TEST(CanonicalBody, IsRightInLongText) {
  std::string octets;
  for (int line = 0; line < 3000; ++line) {
    octets += std::string(static_cast<std::size_t>(line % 120), 'y') + " words in a line";
    if (line % 7 == 0) octets += "  two";
    if (line % 11 == 0) octets += "\ttab \t";
    octets += "\r\n";
  }
  EXPECT_EQ(body_of(kRelaxed, octets), plainly_relaxed(octets));
  EXPECT_EQ(body_of(kRelaxed, octets, 4096), plainly_relaxed(octets));
}

message::Field field_of(std::string_view octets) {
  message::HeaderScanner scanner(octets);
  message::Field field;
  EXPECT_TRUE(*scanner.next(field));
  return field;
}

// RFC 6376 §3.4.5.
TEST(CanonicalHeader, IsAsTheRfcShows) {
  std::string out;
  append_canonical_field(kRelaxed, field_of("A: X\r\n"), out);
  append_canonical_field(kRelaxed, field_of("B : Y\t\r\n\tZ  \r\n"), out);
  EXPECT_EQ(out, "a:X\r\nb:Y Z\r\n");
  out.clear();
  append_canonical_field(kSimple, field_of("A: X\r\n"), out);
  append_canonical_field(kSimple, field_of("B : Y\t\r\n\tZ  \r\n"), out);
  EXPECT_EQ(out, "A: X\r\nB : Y\t\r\n\tZ  \r\n");
}

TEST(CanonicalHeader, LeavesOutTheSignaturesOwnValue) {
  const message::Field field = field_of("S: a=1; b=ab\r\n cd ; c=2\r\n");
  const std::string_view raw = field.octets.substr(10, 8);
  ASSERT_EQ(raw, "ab\r\n cd ");
  std::string out;
  append_canonical_signature(kRelaxed, field, raw, out);
  EXPECT_EQ(out, "s:a=1; b=; c=2");
  out.clear();
  append_canonical_signature(kSimple, field, raw, out);
  EXPECT_EQ(out, "S: a=1; b=; c=2");
}

// RFC 6376 §3.4.3, §3.4.4 name the hashes of empty bodies.
TEST(BodyHash, OfNothingIsAsTheRfcSays) {
  BodyHash simple(kSimple), relaxed(kRelaxed);
  EXPECT_EQ(base::encode_base64(view_of(simple.finish())),
            "frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=");
  EXPECT_EQ(base::encode_base64(view_of(relaxed.finish())),
            "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
}

TEST(BodyHash, StopsAtItsLengthAndCountsOn) {
  BodyHash limited(kSimple, 3), whole(kSimple);
  limited.update("ab");
  limited.update("c\r\nmore\r\n");
  limited.finish();
  EXPECT_EQ(limited.octets(), 11u);
  Sha256 expected;
  expected.update("abc");
  EXPECT_EQ(limited.digest(), expected.finish());
}

TEST(RelaxedBlock, EveryWayOfRelaxingGivesTheSame) {
  // Blocks of the octets that matter, in runs of all lengths.
  std::uint64_t state = 1;
  const auto draw = [&](std::uint64_t below) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % below;
  };
  for (int round = 0; round < 20'000; ++round) {
    std::string block;
    while (block.size() < 2 * kRelaxedBlock) {
      constexpr std::string_view kOctets = "  \t\r\nab";
      const std::uint64_t kind = draw(4);
      if (kind == 0) block += "\r\n";
      block.append(draw(12), kind == 1 ? ' ' : kOctets[draw(kOctets.size())]);
    }
    std::string plain;
    for (std::size_t i = 0; i < kRelaxedBlock; ++i) {
      const auto blank = [&](std::size_t at) { return block[at] == ' ' || block[at] == '\t'; };
      if (blank(i) && (blank(i + 1) || block.substr(i + 1, 2) == "\r\n")) continue;
      plain += blank(i) ? ' ' : block[i];
    }
    for (const auto relax : {relax_block, relax_block_by_runs}) {
      std::string out(2 * kRelaxedBlock, '#');
      const RelaxedBlock relaxed = relax(block.data(), out.data());
      ASSERT_EQ(out.substr(0, relaxed.octets), plain) << testing::PrintToString(block);
      EXPECT_EQ(relaxed.has_changed, plain != block.substr(0, kRelaxedBlock));
      EXPECT_TRUE(relaxed.has_changed || plain.size() == kRelaxedBlock);
      EXPECT_FALSE(is_relaxed_block(block.data()) && relaxed.has_changed);
    }
  }
}

}  // namespace
}  // namespace ekiden::auth
