#include "ekiden/rewrite/token.hpp"

#include "ekiden/base/assert.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/rewrite/error.hpp"

namespace ekiden::rewrite {
namespace {

/// In the three octets of the recipient.
constexpr std::uint32_t kAsksFailure = 1U << 23;
constexpr std::size_t kContentOctets = 19;
/// 96 bits: nobody guesses one, and a local part stays within 64 octets (RFC 5321 §4.5.3.1.1).
constexpr std::size_t kSignatureOctets = 12;
static_assert((kContentOctets + kSignatureOctets) * 8 <= kTokenCharacters * 5);
static_assert(kVerpPrefix.size() + kTokenCharacters <= 64);

void append_u64(std::string& out, std::uint64_t value) {
  for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift);
}

std::uint64_t u64_at(std::string_view octets, std::size_t at) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < 8; ++i)
    value = value << 8 | static_cast<unsigned char>(octets[at + i]);
  return value;
}

std::string signature(const account::HashKey& key, TokenUse use, std::string_view domain,
                      std::string_view content) {
  std::string signed_text(content);
  signed_text += base::lowered(domain);
  return key.hash(use == TokenUse::ReturnPath ? "verp" : "unsubscribe", signed_text)
      .substr(0, kSignatureOctets);
}

}  // namespace

std::string encode_base32(std::string_view octets) {
  constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyz234567";
  std::string out;
  std::uint32_t bits = 0;
  unsigned held = 0;
  for (const char c : octets) {
    bits = bits << 8 | static_cast<unsigned char>(c);
    held += 8;
    while (held >= 5) {
      held -= 5;
      out += kAlphabet[bits >> held & 31];
    }
    bits &= 0xff;
  }
  if (held > 0) out += kAlphabet[bits << (5 - held) & 31];
  return out;
}

bool decode_base32(std::string_view text, std::string& octets) {
  octets.clear();
  std::uint32_t bits = 0;
  unsigned held = 0;
  for (const char c : text) {
    const char lower = base::to_lower(c);
    std::uint32_t value = 0;
    if (lower >= 'a' && lower <= 'z') {
      value = static_cast<std::uint32_t>(lower - 'a');
    } else if (lower >= '2' && lower <= '7') {
      value = static_cast<std::uint32_t>(lower - '2' + 26);
    } else {
      return false;
    }
    bits = bits << 5 | value;
    held += 5;
    if (held >= 8) {
      held -= 8;
      octets += static_cast<char>(bits >> held & 0xff);
    }
    bits &= 0xfff;
  }
  return held < 5 && (bits & ((1U << held) - 1)) == 0;
}

std::string make_token(const account::HashKey& key, TokenUse use, std::string_view domain,
                       const TokenContent& content) {
  EKIDEN_ASSERT(content.recipient < kAsksFailure, "no message has so many recipients");
  const std::uint32_t recipient = content.recipient | (content.asks_failure ? kAsksFailure : 0);
  std::string octets;
  append_u64(octets, content.id.high);
  append_u64(octets, content.id.low);
  for (int shift = 16; shift >= 0; shift -= 8) octets += static_cast<char>(recipient >> shift);
  octets += signature(key, use, domain, octets);
  return encode_base32(octets);
}

Result<TokenContent> read_token(const account::HashKey& key, TokenUse use, std::string_view domain,
                                std::string_view token, base::Time now, base::Duration age_max) {
  std::string octets;
  if (token.size() != kTokenCharacters || !decode_base32(token, octets) ||
      octets.size() != kContentOctets + kSignatureOctets)
    return Errc::NotOurs;
  const std::string_view content = std::string_view(octets).substr(0, kContentOctets);
  if (!account::equals_in_constant_time(std::string_view(octets).substr(kContentOctets),
                                        signature(key, use, domain, content)))
    return Errc::Forged;
  TokenContent found;
  found.id = {u64_at(content, 0), u64_at(content, 8)};
  for (std::size_t i = 16; i < kContentOctets; ++i)
    found.recipient = found.recipient << 8 | static_cast<unsigned char>(content[i]);
  found.asks_failure = (found.recipient & kAsksFailure) != 0;
  found.recipient &= kAsksFailure - 1;
  if (now - found.id.time() > age_max) return Errc::Expired;
  return found;
}

}  // namespace ekiden::rewrite
